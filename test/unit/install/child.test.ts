import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { failureOf, run, runOrThrow } from '../../../lib/install/child';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'iotkit-child-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const script = (code: string) => ['/bin/sh', '-c', code];

async function* streamOf(...chunks: (string | Error)[]): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) {
    if (typeof chunk !== 'string') throw chunk;
    yield Buffer.from(chunk);
  }
}

/** Settles when the process of this id is gone, which the kernel says by signal 0. */
async function gone(pid: number): Promise<void> {
  for (;;) {
    try {
      process.kill(pid, 0);
      if (readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ')) return;
    } catch {
      return;
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test('says how a program ended, and what it said', async () => {
  const lines: string[] = [];
  const result = await run({
    argv: script('echo one; echo "$WORD" >&2; echo "$HOME"; printf three; exit 7'),
    env: { WORD: 'two', HOME: undefined },
    onLine: (line, from) => lines.push(`${from} ${line}`),
  });
  expect(result).toMatchObject({ code: 7, signal: null, stdout: 'one\n\nthree', stderr: 'two\n' });
  expect(result.tail).toContain('two');
  expect(lines.sort()).toEqual(['stderr two', 'stdout ', 'stdout one', 'stdout three']);
});

test('arguments are no shell words', async () => {
  const { stdout } = await run({ argv: ['printf', '%s', '$(id); `id` *'] });
  expect(stdout).toBe('$(id); `id` *');
});

test('a NUL is no part of what is kept, nor of a variable', async () => {
  const lines: string[] = [];
  const { stdout, tail } = await run({
    argv: script(`printf 'a\\000b'; printf %s "$WORD"`),
    env: { WORD: 'c\0d' },
    onLine: (line) => lines.push(line),
  });
  expect(stdout).toBe('a\ufffdbc\ufffdd');
  expect(tail).toBe(stdout);
  expect(lines).toEqual([stdout]);
});

test('of much output the last 4 KiB are kept, in whole characters', async () => {
  const { tail, stdout } = await run({
    argv: [process.execPath, '-e', `process.stdout.write('€'.repeat(1e6))`],
  });
  expect(Buffer.byteLength(tail)).toBeLessThanOrEqual(4096);
  expect(tail).toMatch(/^€+$/);
  expect(stdout).toHaveLength(1e6);
});

test('a program that is missing, or may not be run, is an error that says so', async () => {
  const missing = { code: 'ERR_INSTALL_UNAVAILABLE', message: expect.stringContaining('PATH') };
  await expect(run({ argv: [join(folder, 'none')] })).rejects.toMatchObject(missing);
  await expect(run({ argv: [folder], stdin: 'x' })).rejects.toMatchObject({
    code: 'ERR_INSTALL_UNAVAILABLE',
    detail: expect.stringContaining('EACCES'),
  });
});

test('a failure carries the last words of the program', async () => {
  const failing = runOrThrow({ argv: script('echo no room left; exit 3') });
  await expect(failing).rejects.toMatchObject({
    code: 'ERR_INSTALL_FAILED',
    detail: '/bin/sh ended with 3: no room left',
  });
  const killed = await run({ argv: script('kill -9 $$') });
  expect(failureOf(['it'], killed)).toBe('it was ended by SIGKILL');
});

test('what it reads: text, bytes, a stream', async () => {
  for (const stdin of ['abc', Buffer.from('abc'), streamOf('a', 'b', 'c')]) {
    expect((await run({ argv: ['cat'], stdin })).stdout).toBe('abc');
  }
});

test('a program may end without having read all of its input', async () => {
  async function* endless(): AsyncGenerator<Uint8Array> {
    for (;;) yield Buffer.alloc(65536);
  }
  expect(await run({ argv: script('exit 4'), stdin: endless() })).toMatchObject({ code: 4 });
  async function* never(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('a');
    await new Promise(() => {});
  }
  expect(await run({ argv: script('exit 5'), stdin: never() })).toMatchObject({ code: 5 });
});

test('a stream that fails ends the program before it sees the end of its input', async () => {
  const marker = join(folder, 'whole');
  const failure = new Error('wrong digest');
  let ready = (): void => {};
  const isReady = new Promise<void>((resolve) => {
    ready = resolve;
  });
  async function* failing(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('part');
    await isReady;
    throw failure;
  }
  const running = run({
    argv: script(`trap '' TERM; echo ready; cat >/dev/null; : > ${marker}`),
    stdin: failing(),
    graceMs: 20,
    onLine: () => ready(),
  });
  await expect(running).rejects.toBe(failure);
  expect(existsSync(marker)).toBe(false);
});

describe('a program that succeeds without having read all of its input', () => {
  const failure = new Error('wrong digest');
  async function* evil(): AsyncGenerator<Uint8Array> {
    for (let i = 0; i < 64; i += 1) yield Buffer.alloc(65536);
    throw failure;
  }

  test.each([
    ['closed at once', 'exec <&-; exit 0'],
    ['read in part', 'head -c 1000 >/dev/null'],
    ['never read', 'exit 0'],
  ])('fails as the input does: %s', async (_, code) => {
    await expect(run({ argv: script(code), stdin: evil() })).rejects.toBe(failure);
  });

  test('succeeds when the input has come to its end', async () => {
    let isWhole = false;
    async function* good(): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < 64; i += 1) yield Buffer.alloc(65536);
      isWhole = true;
    }
    const { code } = await run({ argv: script('head -c 1000 >/dev/null'), stdin: good() });
    expect({ code, isWhole }).toEqual({ code: 0, isWhole: true });
  });

  test('can be stopped while the rest is read', async () => {
    const abort = new AbortController();
    let isClosed = false;
    async function* stuck(): AsyncGenerator<Uint8Array> {
      try {
        for (let i = 0; i < 64; i += 1) yield Buffer.alloc(65536);
        abort.abort(failure);
        for (;;) yield Buffer.alloc(65536);
      } finally {
        isClosed = true;
      }
    }
    const argv = script('head -c 1000 >/dev/null');
    await expect(run({ argv, stdin: stuck(), signal: abort.signal })).rejects.toBe(failure);
    expect(isClosed).toBe(true);
    const slow = run({ argv, stdin: never(), timeoutMs: 100 });
    await expect(slow).rejects.toMatchObject({ code: 'ERR_INSTALL_TIMEOUT' });
  });

  async function* never(): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(1000);
    await new Promise(() => {});
  }
});

test('a program that is too slow is ended', async () => {
  const running = run({ argv: script('exec sleep 600'), timeoutMs: 20 });
  await expect(running).rejects.toMatchObject({ code: 'ERR_INSTALL_TIMEOUT' });
});

test('the whole group ends, also what does not heed SIGTERM', async () => {
  const abort = new AbortController();
  let pid = 0;
  const code = `trap '' TERM; sh -c "trap '' TERM; echo \\$\\$; sleep 600; sleep 600" & wait`;
  const running = run({
    argv: script(code),
    signal: abort.signal,
    graceMs: 20,
    onLine: (line) => {
      pid = Number(line);
      abort.abort('enough');
    },
  });
  await expect(running).rejects.toBe('enough');
  expect(pid).toBeGreaterThan(1);
  await gone(pid);
});

test('a signal ends it, and its reason is what run() rejects with', async () => {
  const reason = new Error('enough');
  const abort = new AbortController();
  const running = run({
    argv: script('echo ready; exec sleep 600'),
    signal: abort.signal,
    onLine: () => abort.abort(reason),
  });
  await expect(running).rejects.toBe(reason);
  await expect(run({ argv: ['true'], signal: abort.signal })).rejects.toBe(reason);
});

test('what a program leaves behind does not hold up its end', async () => {
  const pids = join(folder, 'pid');
  const { stdout } = await run({ argv: script(`sleep 600 & echo $! > ${pids}; echo done`) });
  expect(stdout).toBe('done\n');
  process.kill(Number(readFileSync(pids, 'utf8')), 'SIGKILL');
});
