// `iotkit-ota delta` as a user runs it.
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, watch } from 'node:fs';
import { link, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { partOf } from '../../lib/delta/parts';
import { infoOf, relatedImages } from '../support/delta';
import { sha256 } from '../support/image';
import { run } from '../support/process';

const script = path.join(__dirname, '..', '..', 'dist', 'cli', 'index.js');
const { old, image } = relatedImages(5, 60_000);

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-test-'));
  await writeFile(at('old'), old);
  await writeFile(at('new'), image);
});
afterEach(() => rm(folder, { recursive: true }));

const at = (name: string): string => path.join(folder, name);
const delta = (...args: string[]) => run(process.execPath, [script, 'delta', ...args]);

test('make, info, apply', async () => {
  const made = await delta('make', at('old'), at('new'), '-o', at('delta'), '--json');
  expect(made).toMatchObject({ code: 0, stderr: '' });
  const bytes = await readFile(at('delta'));
  const said = JSON.parse(made.stdout);
  const info = infoOf(old, image);
  expect(said).toEqual({
    ...{ schema: 1, ok: true, delta: at('delta'), size: bytes.length, sha256: sha256(bytes) },
    ...info,
    extData: { 'iotkit.delta.v1': JSON.stringify(info) },
  });
  const shown = await delta('info', at('delta'), '--json');
  expect(JSON.parse(shown.stdout)).toEqual(said);
  const text = await delta('info', at('delta'));
  expect(text.stdout).toContain(`base    ${info.base.sha256}  60000 bytes`);
  const applied = await delta('apply', at('delta'), at('old'), '-o', at('result'));
  expect(applied).toMatchObject({ code: 0, stderr: '' });
  expect((await readFile(at('result'))).equals(image)).toBe(true);
});

test('what fails has a code and an exit code, and leaves what was there', async () => {
  await delta('make', at('old'), at('new'), '-o', at('delta'));
  await writeFile(at('result'), 'from before');
  const wrong = await delta('apply', at('delta'), at('new'), '-o', at('result'), '--json');
  expect(wrong.code).toBe(65);
  expect(JSON.parse(wrong.stdout)).toMatchObject({ ok: false, error: { code: 'ERR_DELTA_BASE' } });
  const none = await delta('info', at('old'));
  expect(none).toMatchObject({ code: 65, stdout: '' });
  expect(none.stderr).toContain('ERR_DELTA_FORMAT');
  const missing = await delta('make', at('missing'), at('new'), '-o', at('result'));
  expect(missing).toMatchObject({
    code: 66,
    stderr: expect.stringContaining('ERR_FILE_NOT_FOUND'),
  });
  for (const args of [
    ['make', folder, at('new'), '-o', at('result')],
    ['make', at('old'), folder, '-o', at('result')],
    ['info', folder],
    ['apply', folder, at('old'), '-o', at('result')],
  ]) {
    expect(await delta(...args)).toMatchObject({
      code: 66,
      stderr: expect.stringContaining('EISDIR'),
    });
  }
  expect(await readFile(at('result'), 'utf8')).toBe('from before');
  expect((await readdir(folder)).sort()).toEqual(['delta', 'new', 'old', 'result']);
});

test('an image that is too large is wrong usage, however large it is', async () => {
  const sizes = [2 ** 31 - 1, 2 ** 31 + 1];
  for (const size of sizes) {
    await writeFile(at('large'), '');
    await truncate(at('large'), size);
    const refused = await delta('make', at('large'), at('new'), '-o', at('result'));
    expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('2 GiB') });
  }
});

test.each([
  [[], /make, info or apply is missing/],
  [['mend'], /there is no delta mend/],
  [['make', 'a', 'b'], /make needs -o/],
  [['make', 'a', '-o', 'c'], /<new> is missing/],
  [['info', 'a', 'b'], /b is one too many/],
  [['info', 'a', '-o', 'c'], /info takes no --output/],
  [['info', 'a', '--quality', '1'], /info takes no --quality/],
  [['apply', 'a', 'b', '-o', 'c', '--quality', '1'], /apply takes no --quality/],
  [['make', 'a', 'b', '-o', 'c', '--quality', '12'], /--quality/],
  [['info', 'a', '--wrong'], /--wrong/],
])('wrong usage: %j', async (args, message) => {
  const { code, stderr } = await delta(...args);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(message) });
  const { stdout, ...ended } = await delta(...args, '--json');
  expect(ended).toMatchObject({ code: 2, stderr: '' });
  expect(JSON.parse(stdout)).toEqual({
    ...{ schema: 1, ok: false },
    error: { code: 'ERR_USAGE', message: expect.stringMatching(message) },
  });
});

test('what is read is not replaced, but for the old image', async () => {
  await delta('make', at('old'), at('new'), '-o', at('delta'));
  await link(at('new'), at('linked'));
  const bytes = await readFile(at('delta'));
  for (const [command, first, second, output, named] of [
    ['make', 'old', 'new', 'new', 'new'],
    ['make', 'old', 'new', 'old', 'old'],
    ['make', 'old', 'new', 'linked', 'new'],
    ['apply', 'delta', 'old', 'delta', 'delta'],
  ] as const) {
    const { code, stderr } = await delta(command, at(first), at(second), '-o', at(output));
    expect(code).toBe(2);
    expect(stderr).toContain(`-o ${at(output)} is the same file as ${at(named)}`);
  }
  expect(old.equals(await readFile(at('old')))).toBe(true);
  expect(image.equals(await readFile(at('new')))).toBe(true);
  expect(bytes.equals(await readFile(at('delta')))).toBe(true);
  expect(await delta('apply', at('delta'), at('old'), '-o', at('old'))).toMatchObject({ code: 0 });
  expect(image.equals(await readFile(at('old')))).toBe(true);
});

/** Ends the command as soon as it has begun to write. */
async function endedBy(signal: NodeJS.Signals, args: readonly string[]) {
  const child = spawn(process.execPath, [script, 'delta', ...args, '--json']);
  let stdout = '';
  child.stdout.on('data', (text: Buffer) => {
    stdout += text.toString();
  });
  const closed = once(child, 'close');
  const part = partOf(at('x'), child.pid);
  await new Promise<void>((resolve, reject) => {
    const look = (): void => void (existsSync(part) && resolve());
    const watcher = watch(folder, look);
    void closed.then(([code]) => {
      watcher.close();
      reject(new Error(`it has ended with ${code}`));
    });
    look();
  });
  child.kill(signal);
  const [code] = await closed;
  return { code, said: JSON.parse(stdout) };
}

describe.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)('%s leaves nothing', (signal, code) => {
  const failed = {
    code,
    said: {
      ...{ schema: 1, ok: false },
      error: { code: 'ERR_ABORTED', message: `ended by ${signal}; nothing was written` },
    },
  };

  test('of make, while it sorts too', async () => {
    const large = randomBytes(12_000_000);
    await writeFile(at('old'), large);
    await writeFile(at('new'), large);
    const args = ['make', at('old'), at('new'), '-o', at('x')];
    expect(await endedBy(signal, args)).toEqual(failed);
    expect((await readdir(folder)).sort()).toEqual(['new', 'old']);
  });

  test('of apply', async () => {
    await writeFile(at('new'), randomBytes(64_000_000));
    const made = await delta('make', at('old'), at('new'), '-o', at('delta'), '--quality', '0');
    expect(made).toMatchObject({ code: 0 });
    const args = ['apply', at('delta'), at('old'), '-o', at('x')];
    expect(await endedBy(signal, args)).toEqual(failed);
    expect((await readdir(folder)).sort()).toEqual(['delta', 'new', 'old']);
  });
});

test('a directory is no file to be read', async () => {
  const missing = { code: 66, stderr: expect.stringContaining(`${folder} cannot be read: EISDIR`) };
  expect(await delta('info', folder)).toMatchObject(missing);
  expect(await delta('make', folder, at('new'), '-o', at('x'))).toMatchObject(missing);
});

test('--help', async () => {
  expect((await delta('--help')).stdout).toContain('Exit codes');
});
