import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import fsPromises from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  beginning,
  lookAtRecord,
  RecordFile,
  type RecordIo,
  recordIo,
} from '../../../lib/install/record';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'iotkit-record-'));
  path = join(folder, 'update.record');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const entry = {
  ...beginning,
  id: '7',
  module: '',
  version: '2.0.0',
  digest: { method: 'sha256', value: 'ab'.repeat(32) },
  size: 10,
  phase: 'installed',
} as const;

test('none is empty; what was put is there after a restart', async () => {
  const record = await RecordFile.open(path);
  expect(record.entry('')).toBeUndefined();
  expect(existsSync(path)).toBe(false);
  await Promise.all([
    record.put(entry),
    record.put({ ...entry, module: 'mcu' }),
    record.change((content) => ({ ...content, pins: { mcu: '1.0.0' } })),
  ]);
  const again = await RecordFile.open(path);
  expect(again.damage).toBeUndefined();
  expect(again.content).toEqual({
    entries: { '': entry, mcu: { ...entry, module: 'mcu' } },
    confirmed: {},
    pins: { mcu: '1.0.0' },
  });
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(existsSync(`${path}.new`)).toBe(false);
});

test('what another release has written besides is passed over, what it has not is as at the beginning', async () => {
  const record = await RecordFile.open(path);
  const { bootId, ...older } = { ...entry, more: 1 };
  await record.put(older as never);
  expect((await RecordFile.open(path)).entry('')).toMatchObject({ version: '2.0.0', bootId: '' });
});

test('each bit counts: a damaged record is kept aside, and named', async () => {
  const record = await RecordFile.open(path);
  await record.put(entry);
  const whole = readFileSync(path);
  const damaged = [Buffer.alloc(0), whole.subarray(0, 40), whole.subarray(0, whole.length - 1)];
  for (let at = 0; at < whole.length; at += 7) {
    const bytes = Buffer.from(whole);
    bytes[at] = (bytes[at] ?? 0) ^ 1;
    damaged.push(bytes);
  }
  for (const bytes of damaged) {
    writeFileSync(path, bytes, { mode: 0o600 });
    const opened = await RecordFile.open(path);
    expect(opened.entry('')).toBeUndefined();
    expect(opened.damage).toMatchObject({
      code: 'ERR_INSTALL_RECORD',
      detail: expect.stringContaining(`kept as ${path}.damaged`),
    });
    expect(readFileSync(`${path}.damaged`)).toEqual(bytes);
    expect((await RecordFile.open(path)).damage).toBeUndefined();
  }
});

test('who only looks moves nothing, and does not say that it did', async () => {
  expect(await lookAtRecord(path)).toEqual({ content: expect.anything(), damage: undefined });
  await (await RecordFile.open(path)).put(entry);
  expect((await lookAtRecord(path)).content.entries).toEqual({ '': entry });
  writeFileSync(path, 'damaged');
  const { content, damage } = await lookAtRecord(path);
  expect(content.entries).toEqual({});
  expect(damage?.detail).toMatch(/does not begin as a record does; what runs is taken from/);
  expect(readFileSync(path, 'utf8')).toBe('damaged');
  expect(existsSync(`${path}.damaged`)).toBe(false);
});

/** As root: the folder and the record are somebody else's. */
async function asRoot(work: () => Promise<void>): Promise<void> {
  const { geteuid } = process;
  if (geteuid?.() === 0) for (const it of [folder, path]) chownSync(it, 65_534, 65_534);
  process.geteuid = () => 0;
  try {
    await work();
  } finally {
    process.geteuid = geteuid as () => number;
  }
}

test("root looks at the record of another user's agent, and does not take it over", async () => {
  await (await RecordFile.open(path)).put(entry);
  await asRoot(async () => {
    expect((await lookAtRecord(path)).content.entries).toEqual({ '': entry });
    await expect(RecordFile.open(path)).rejects.toMatchObject({
      code: 'ERR_INSTALL_RECORD',
      detail: expect.stringContaining("as the agent's user"),
    });
    // Of a user who has no folder there it is nobody's.
    if (process.getuid?.() !== 0) return;
    chownSync(folder, 0, 0);
    await expect(lookAtRecord(path)).rejects.toMatchObject({ code: 'ERR_INSTALL_RECORD' });
  });
});

test('a link, a directory, and what others may write is not believed', async () => {
  writeFileSync(join(folder, 'other'), '');
  symlinkSync(join(folder, 'other'), path);
  await expect(RecordFile.open(path)).rejects.toMatchObject({ code: 'ERR_FILE_ACCESS' });
  rmSync(path);
  mkdirSync(path);
  await expect(RecordFile.open(path)).rejects.toMatchObject({ code: 'ERR_INSTALL_RECORD' });
  rmSync(path, { recursive: true });
  const record = await RecordFile.open(path);
  await record.put(entry);
  chmodSync(path, 0o620);
  await expect(RecordFile.open(path)).rejects.toMatchObject({
    code: 'ERR_INSTALL_RECORD',
    detail: expect.stringContaining('chmod'),
  });
});

const unknown: readonly [object | null, RegExp][] = [
  [null, /it is no object/],
  [{ format: 2, entries: {} }, /format is 2/],
  [{ format: 1, entries: null }, /entries is no object/],
  [{ format: 1, entries: { '': null } }, /entries\[""\] is no object/],
  [{ format: 1, entries: { '': { ...entry, phase: 'verifying' } } }, /phase is "verifying"/],
  [{ format: 1, entries: { '': { ...entry, attempts: '3' } } }, /attempts is no number/],
  [{ format: 1, entries: { '': { ...entry, digest: null } } }, /digest is no object/],
  [{ format: 1, entries: { '': { ...entry, files: {} } } }, /files is no array/],
  [{ format: 1, entries: { '': { ...entry, delta: { size: 1 } } } }, /delta\.digest is no object/],
  [{ format: 1, entries: { mcu: entry } }, /is of another/],
  [{ format: 1, entries: {}, confirmed: null }, /confirmed is no object/],
  [{ format: 1, entries: {}, confirmed: { '': { version: 1 } } }, /version is no string/],
  [
    { format: 1, entries: {}, confirmed: { '': { version: '1', slot: 'A', size: 1 } } },
    /confirmed\[""\]\.digest is no object/,
  ],
  [{ format: 1, entries: {}, pins: { '': 1 } }, /pins\[""\] is no string/],
];

test.each(unknown)('what is not understood is kept aside: %j', async (content, why) => {
  const body = `${JSON.stringify(content)}\n`;
  const digest = createHash('sha256').update(body).digest('hex');
  const text = `iotkit-install-record sha256 ${digest}\n${body}`;
  writeFileSync(path, text, { mode: 0o600 });
  const { content: read, damage } = await RecordFile.open(path);
  expect(read).toEqual({ entries: {}, confirmed: {}, pins: {} });
  expect(damage).toMatchObject({ code: 'ERR_INSTALL_RECORD', detail: expect.stringMatching(why) });
  expect(readFileSync(`${path}.damaged`, 'utf8')).toBe(text);
});

test('a damaged record is aside for good before anything else is done', async () => {
  writeFileSync(path, 'x', { mode: 0o600 });
  const calls: string[] = [];
  await RecordFile.open(path, {
    write: async () => void calls.push('write'),
    rename: async (_, to) => void calls.push(`rename ${to}`),
    syncDirectory: async (name) => void calls.push(`flush ${name}`),
  });
  expect(calls).toEqual([`rename ${path}.damaged`, `flush ${folder}`]);
});

test('what a program says at length is cut, so that the record can be read again', async () => {
  const record = await RecordFile.open(path);
  const long = 'x'.repeat(2_000_000);
  await record.put({ ...entry, from: long, reason: long, output: long });
  const again = await RecordFile.open(path);
  expect(again.damage).toBeUndefined();
  for (const text of ['from', 'reason', 'output'] as const) {
    expect(again.entry('')?.[text].length).toBeLessThanOrEqual(4096);
  }
});

test('a pipe is refused at once', async () => {
  execFileSync('mkfifo', ['-m', '600', path]);
  await expect(RecordFile.open(path)).rejects.toMatchObject({
    code: 'ERR_INSTALL_RECORD',
    detail: expect.stringMatching(/ is no file; or give/),
  });
});

test('a damaged record that cannot be kept aside is an error that names where', async () => {
  writeFileSync(path, 'x', { mode: 0o600 });
  mkdirSync(`${path}.damaged`);
  await expect(RecordFile.open(path)).rejects.toMatchObject({
    code: 'ERR_FILE',
    detail: expect.stringContaining(`${path}.damaged`),
  });
});

test('a link that waits where the record is written aside is not followed', async () => {
  writeFileSync(join(folder, 'victim'), 'untouched');
  symlinkSync(join(folder, 'victim'), `${path}.new`);
  const record = await RecordFile.open(path);
  await record.put(entry);
  expect(readFileSync(join(folder, 'victim'), 'utf8')).toBe('untouched');
  expect((await RecordFile.open(path)).entry('')).toEqual(entry);
});

test('it is written aside, flushed, renamed, and the directory flushed; a failure changes nothing', async () => {
  const calls: string[] = [];
  const failing: RecordIo = {
    write: async (to, text) => void calls.push(`write ${to}`, ...(text ? [] : ['empty'])),
    rename: async () => {
      calls.push('rename');
      throw Object.assign(new Error('full'), { code: 'ENOSPC' });
    },
    syncDirectory: async () => void calls.push('flush'),
  };
  const record = await RecordFile.open(path, failing);
  await expect(record.put(entry)).rejects.toMatchObject({ code: 'ERR_NO_SPACE' });
  expect(record.entry('')).toBeUndefined();
  expect(calls).toEqual([`write ${path}.new`, 'rename']);
  failing.rename = async () => void calls.push('rename');
  await record.put(entry);
  expect(calls.slice(2)).toEqual([`write ${path}.new`, 'rename', 'flush']);
  await expect(recordIo.syncDirectory(join(folder, 'none'))).rejects.toThrow();
});

test('what is written aside is on the disk before it gets its name', async () => {
  const seen: string[] = [];
  const { open } = fsPromises;
  jest.spyOn(fsPromises, 'open').mockImplementation(async (...given) => {
    const file = await open(...given);
    const [write, sync] = [file.writeFile.bind(file), file.sync.bind(file)];
    file.writeFile = ((...what: Parameters<typeof write>) => {
      seen.push('write');
      return write(...what);
    }) as typeof file.writeFile;
    file.sync = () => {
      seen.push('flush');
      return sync();
    };
    return file;
  });
  await recordIo.write(`${path}.new`, 'text');
  expect(seen).toEqual(['write', 'flush']);
  jest.restoreAllMocks();
});
