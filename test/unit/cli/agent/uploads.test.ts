import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { UploadState } from '../../../../lib/cli/agent/upload-state';
import { LogUploads, type LogUploadsOptions } from '../../../../lib/cli/agent/uploads';
import { beginning, type UpdateEntry } from '../../../../lib/install/record';
import type { LogEntry, PostLogsOptions } from '../../../../lib/logs/device-logs';
import { FakePlatform } from '../../../../lib/testing/fake-platform';

let folder: string;
let file: string;
let platform: FakePlatform;
let lines: string[];
let entries: Record<string, UpdateEntry>;
/** What the platform was sent, and how it has answered: undefined: it has taken it. */
let posted: string[][];
let answers: Array<Error | undefined>;
/** How many entries it has taken of an upload that fails. */
let takenOfFailed: number;
let ending: AbortController;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'iotkit-uploads-'));
  file = path.join(folder, 'record.log.uploaded');
  platform = new FakePlatform();
  [lines, entries, posted, answers] = [[], {}, [], []];
  takenOfFailed = 0;
  ending = new AbortController();
});
afterEach(async () => {
  await platform.device.close();
  rmSync(folder, { recursive: true });
});

function open(modules: readonly string[] = ['']): LogUploads {
  const { device } = platform;
  const post = async (sent: readonly LogEntry[], options?: PostLogsOptions): Promise<void> => {
    posted.push(sent.map(({ content }) => content));
    const answer = answers.shift();
    options?.onTaken?.(answer === undefined ? sent.length : takenOfFailed);
    if (answer !== undefined) throw answer;
  };
  const log = {
    entries: (): LogEntry[] => lines.map((content, i) => ({ level: 'info', content, time: i })),
    warn: (content: string) => void lines.push(content),
  };
  const options: LogUploadsOptions = {
    device: {
      on: device.on.bind(device),
      get state() {
        return device.state;
      },
      logs: { post },
    },
    agent: { entry: (module = '') => entries[module] },
    modules: modules.map((module) => ({ module })),
    log,
    state: new UploadState(file),
    signal: ending.signal,
  };
  return new LogUploads(options);
}

function entry(phase: UpdateEntry['phase'], more: Partial<UpdateEntry> = {}): UpdateEntry {
  const digest = { method: 'sha256', value: '' } as const;
  return { ...beginning, id: '1', module: '', version: '2.0.0', digest, size: 1, phase, ...more };
}

/** The record has them all before the first is told of. */
function put(uploads: LogUploads, ...changed: readonly UpdateEntry[]): void {
  for (const it of changed) entries[it.module] = it;
  for (const it of changed) {
    lines.push(`${it.module}: ${it.phase}`);
    uploads.follow(it);
  }
}

test('once after an update that failed, and for the next one again', async () => {
  const uploads = open();
  put(uploads, entry('installing'), entry('failed'));
  await uploads.ended();
  expect(posted).toEqual([[': installing', ': failed']]);
  put(uploads, entry('failed', { reported: true }));
  await uploads.ended();
  expect(posted).toHaveLength(1);
  put(uploads, entry('failed', { id: '2', reported: true }));
  await uploads.ended();
  expect(posted).toHaveLength(2);
  expect(new UploadState(file).isOwed).toBe(false);
});

test('it waits for a connection, and tries with each until the platform has taken it', async () => {
  platform.disconnect();
  const uploads = open();
  put(uploads, entry('failed'));
  await uploads.ended();
  expect(posted).toEqual([]);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  answers = [new Error('no answer')];
  platform.connect();
  await uploads.ended();
  expect(posted).toHaveLength(1);
  expect(lines.at(-1)).toMatch(/^the log was not uploaded, .*: no answer$/);
  platform.disconnect();
  platform.connect();
  await uploads.ended();
  expect(posted).toHaveLength(2);
  platform.disconnect();
  platform.connect();
  await uploads.ended();
  expect(posted).toHaveLength(2);
});

test('what is owed outlives a restart', async () => {
  platform.disconnect();
  put(open(), entry('rolledBack'));
  ending.abort();
  ending = new AbortController();
  entries = { '': entry('rolledBack', { reported: true }) };
  const uploads = open();
  platform.connect();
  await uploads.ended();
  expect(posted).toHaveLength(1);
  expect(new UploadState(file).isOwed).toBe(false);
  await open().ended();
  expect(posted).toHaveLength(1);
});

test('an end that the platform has not heard of, and after which the power was cut', async () => {
  entries = { '': entry('failed') };
  const uploads = open();
  await uploads.ended();
  put(uploads, entry('failed', { reported: true }));
  await uploads.ended();
  expect(posted).toHaveLength(1);
});

test('several modules: once, with the end of all', async () => {
  const uploads = open(['', 'app']);
  const [one, two] = [entry('rolledBack'), entry('rolledBack', { module: 'app' })];
  put(uploads, one, two);
  await uploads.ended();
  put(uploads, { ...one, reported: true });
  put(uploads, { ...two, reported: true });
  await uploads.ended();
  expect(posted).toEqual([[': rolledBack', 'app: rolledBack']]);
});

test('several modules: not while one is still going back', async () => {
  const uploads = open(['', 'app']);
  entries.app = entry('trial', { module: 'app', reason: 'sick' });
  put(uploads, entry('failed'));
  await uploads.ended();
  expect(posted).toEqual([]);
  put(uploads, entry('rolledBack', { module: 'app' }));
  await uploads.ended();
  expect(posted).toEqual([[': failed', 'app: rolledBack']]);
});

test('what cannot be kept is owed all the same', async () => {
  file = path.join(folder, 'none', 'owed');
  const uploads = open();
  put(uploads, entry('failed'));
  await uploads.ended();
  expect(posted).toHaveLength(1);
});

test('what has been taken of an upload that broke off does not go again, after a restart neither', async () => {
  const uploads = open();
  answers = [new Error('no answer')];
  takenOfFailed = 2;
  put(uploads, entry('downloaded'), entry('installing'), entry('failed'));
  await uploads.ended();
  const all = [': downloaded', ': installing', ': failed'];
  const warning = expect.stringMatching(/not uploaded/);
  expect(posted).toEqual([all]);
  platform.disconnect();
  ending.abort();
  ending = new AbortController();
  entries = { '': entry('failed', { reported: true }) };
  const again = open();
  platform.connect();
  await again.ended();
  expect(posted.slice(1)).toEqual([[': failed', warning]]);
  // Nor with the next failure.
  lines.push('next');
  put(again, entry('failed', { id: '2' }));
  await again.ended();
  expect(posted.slice(2)).toEqual([['next', ': failed']]);
});

test('an upgrade that was refused has failed, too', async () => {
  const uploads = open();
  lines.push('the rules of this device refuse the version');
  uploads.failed();
  await uploads.ended();
  expect(posted).toEqual([['the rules of this device refuse the version']]);
});

test.each(['', '{', 'null', '{"owed":1}', '[]'])('a state that is damaged (%j) is owed', (text) => {
  writeFileSync(file, text);
  const state = new UploadState(file);
  expect(state.isOwed).toBe(true);
  expect(state.untaken([{ level: 'info', content: 'a' }])).toHaveLength(1);
});

test('what somebody else has put there is neither read nor written through', () => {
  const other = path.join(folder, 'other');
  writeFileSync(other, '{"owed":true,"taken":""}');
  symlinkSync(other, file);
  symlinkSync(other, `${file}.new`);
  const state = new UploadState(file);
  expect(state.isOwed).toBe(false);
  state.owe();
  state.settle();
  expect(statSync(other).size).toBe(24);
  expect(new UploadState(file).isOwed).toBe(false);
});

test('a last entry that is no longer there says nothing', () => {
  const state = new UploadState(file);
  const [one, two] = [1, 2].map((time) => ({ level: 'info', content: 'x', time }) as const);
  if (one === undefined || two === undefined) throw new Error('two');
  state.take(one);
  expect(state.untaken([one, two])).toEqual([two]);
  expect(state.untaken([two])).toEqual([two]);
});
