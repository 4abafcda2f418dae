import { execFileSync } from 'node:child_process';
import fs, {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import promises from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { AgentLog } from '../../../../lib/cli/agent/log';

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'iotkit-agent-log-'));
  file = path.join(folder, 'log');
  jest.useFakeTimers({ now: Date.UTC(2026, 10, 29) });
});
afterEach(() => {
  jest.useRealTimers();
  rmSync(folder, { recursive: true });
});

function open(json = false, place: string | undefined = file) {
  const lines: string[] = [];
  return { lines, log: new AgentLog({ file: place, json, write: (line) => lines.push(line) }) };
}

const kept = (): string[] =>
  open()
    .log.entries()
    .map(({ content }) => content);

test('lines for people, which steer no terminal', () => {
  const { log, lines } = open();
  log.info('connected');
  log.error('failed:\n\u001b[2Jlast words');
  expect(lines).toEqual([
    '2026-11-29T00:00:00.000Z info  connected',
    '2026-11-29T00:00:00.000Z error failed:\n    ?[2Jlast words',
  ]);
});

test('lines for programs', () => {
  const { log, lines } = open(true);
  log.warn('slow');
  expect(JSON.parse(lines[0] ?? '')).toEqual({
    level: 'warn',
    module: 'agent',
    content: 'slow',
    time: Date.UTC(2026, 10, 29),
  });
});

test('the last of it outlives the program, in a file for its user alone', () => {
  open().log.info('before');
  writeFileSync(file, `${readFileSync(file, 'utf8')}{"half a li`);
  const { log } = open();
  log.info('after');
  expect(log.entries().map(({ content }) => content)).toEqual(['before', 'after']);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  // Half a line spoils no other.
  expect(
    open()
      .log.entries()
      .map(({ content }) => content),
  ).toEqual(['before', 'after']);
});

test('the file stays bounded, and keeps the newest', () => {
  const { log } = open();
  for (let i = 0; i < 1000; i += 1) log.info(`${i} ${'x'.repeat(1000)}`);
  expect(statSync(file).size).toBeLessThanOrEqual(256 * 1024 + 2048);
  const kept = open().log.entries();
  expect(kept.at(-1)?.content).toMatch(/^999 /);
  expect(kept.length).toBeGreaterThan(50);
});

test('a log that cannot be kept is said once, and goes on', () => {
  mkdirSync(file);
  const { log, lines } = open();
  log.info('one');
  log.info('two');
  expect(lines.filter((line) => line.startsWith('the log is not kept'))).toHaveLength(1);
  expect(log.entries()).toHaveLength(2);
});

describe('what somebody else has put where the log is to be', () => {
  let victim: string;
  beforeEach(() => {
    victim = path.join(folder, 'victim');
    writeFileSync(victim, '{"level":"info","module":"x","content":"secret"}\n');
  });
  const unharmed = (): void =>
    expect(readFileSync(victim, 'utf8')).toBe('{"level":"info","module":"x","content":"secret"}\n');

  test('a link is neither read nor written through', () => {
    symlinkSync(victim, file);
    const { log, lines } = open();
    expect(log.entries()).toEqual([]);
    log.info('one');
    log.info('two');
    unharmed();
    expect(lines.filter((line) => line.startsWith('the log is not kept: ELOOP'))).toHaveLength(1);
  });

  test('a link beside it, for when it is cut, is replaced', () => {
    symlinkSync(victim, `${file}.new`);
    const { log, lines } = open();
    for (let i = 0; i < 300; i += 1) log.info('x'.repeat(1000));
    unharmed();
    expect(lines).toHaveLength(300);
    expect(statSync(file).size).toBeLessThan(256 * 1024);
  });

  test('a pipe holds nobody up', () => {
    execFileSync('mkfifo', [file]);
    const { log, lines } = open();
    log.info('one');
    expect(lines[0]).toContain('the log is not kept');
  });
});

test('each line goes to the disk, those written meanwhile by one more flush', async () => {
  let sync = (): void => {};
  let opens = 0;
  const opened = new Promise<void>((resolve) => {
    jest.spyOn(promises, 'open').mockImplementation(async (name) => {
      expect(name).toBe(file);
      opens += 1;
      if (opens === 2) resolve();
      const synced = new Promise<void>((done) => {
        sync = done;
      });
      return { sync: () => synced, close: async () => {} } as promises.FileHandle;
    });
  });
  const { log } = open();
  for (const line of ['one', 'two', 'three']) log.info(line);
  expect(opens).toBe(1);
  await null;
  sync();
  await opened;
  sync();
  jest.restoreAllMocks();
});

test('a disk that was full for a while costs no line that is still kept', () => {
  const { log, lines } = open();
  log.info('before');
  const full = Object.assign(new Error('ENOSPC: no space left'), { code: 'ENOSPC' });
  const write = jest.spyOn(fs, 'writeFileSync').mockImplementation((opened, text) => {
    fs.writeSync(opened as number, String(text).slice(0, 10));
    throw full;
  });
  log.info('one');
  log.info('two');
  expect(existsSync(`${file}.new`)).toBe(false);
  write.mockRestore();
  log.info('three');
  log.info('four');
  expect(lines.filter((line) => line.startsWith('the log is not kept'))).toEqual([
    'the log is not kept: ENOSPC: no space left',
  ]);
  expect(kept()).toEqual(['before', 'one', 'two', 'three', 'four']);
});

test('the bound is of bytes, and a file of another size is cut', () => {
  const { log } = open();
  for (let i = 0; i < 400; i += 1) log.info(`${i} ${'版'.repeat(300)}`);
  expect(statSync(file).size).toBeLessThanOrEqual(256 * 1024);
  writeFileSync(file, `${'x'.repeat(2_000_000)}\n{"level":"info","content":"last"}\n`);
  open().log.info('more');
  expect(statSync(file).size).toBeLessThan(64 * 1024);
  expect(kept()).toEqual(['last', 'more']);
});

test.each([
  ['a torn last line', (text: string) => text.slice(0, -9), ['one', 'after']],
  [
    'zeros that were never written',
    (text: string) => `${text}${'\0'.repeat(512)}`,
    ['one', 'two', 'after'],
  ],
  ['nothing', () => '', ['after']],
])('what a power cut has left: %s', (_, left, expected) => {
  const { log } = open();
  log.info('one');
  log.info('two');
  writeFileSync(file, left(readFileSync(file, 'utf8')));
  open().log.info('after');
  expect(kept()).toEqual(expected);
});

test('a cut that was cut off leaves the file of before, and does not disturb the next one', () => {
  const { log } = open();
  log.info('before');
  writeFileSync(`${file}.new`, '{"level":"info","content":"half');
  expect(kept()).toEqual(['before']);
  for (let i = 0; i < 300; i += 1) log.info('x'.repeat(1000));
  expect(existsSync(`${file}.new`)).toBe(false);
});

test('another name of a file of somebody else is neither read nor written', () => {
  const victim = path.join(folder, 'victim');
  writeFileSync(victim, '{"level":"info","content":"secret"}\n');
  linkSync(victim, file);
  const { log, lines } = open();
  expect(log.entries()).toEqual([]);
  log.info('one');
  expect(readFileSync(victim, 'utf8')).not.toContain('one');
  expect(lines[0]).toContain('has another name');
});

test('whatever a program has said can be logged', () => {
  const { log } = open();
  log.error(`a\0b${'x'.repeat(1_100_000)} at last`);
  log.error('a\0b');
  expect(log.entries().map(({ content }) => content.slice(-7))).toEqual(['a\ufffdb']);
});
