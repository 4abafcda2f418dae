import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { OwedMark } from '../../../../lib/cli/agent/owed';
import { LogUploads, type LogUploadsOptions } from '../../../../lib/cli/agent/uploads';
import { beginning, type UpdateEntry } from '../../../../lib/install/record';
import type { LogEntry } from '../../../../lib/logs/device-logs';
import { FakePlatform } from '../../../../lib/testing/fake-platform';

let folder: string;
let file: string;
let platform: FakePlatform;
let lines: string[];
let entries: Record<string, UpdateEntry>;
/** What the platform was sent, and how it has answered: undefined: it has taken it. */
let posted: string[][];
let answers: Array<Error | undefined>;
let ending: AbortController;

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'iotkit-uploads-'));
  file = path.join(folder, 'record.log.owed');
  platform = new FakePlatform();
  [lines, entries, posted, answers] = [[], {}, [], []];
  ending = new AbortController();
});
afterEach(async () => {
  await platform.device.close();
  rmSync(folder, { recursive: true });
});

function open(modules: readonly string[] = ['']): LogUploads {
  const { device } = platform;
  const post = async (sent: readonly LogEntry[]): Promise<void> => {
    posted.push(sent.map(({ content }) => content));
    const answer = answers.shift();
    if (answer !== undefined) throw answer;
  };
  const log = {
    entries: (): LogEntry[] => lines.map((content) => ({ level: 'info', content })),
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
    owed: new OwedMark(file),
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
  expect(existsSync(file)).toBe(false);
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
  expect(existsSync(file)).toBe(false);
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
