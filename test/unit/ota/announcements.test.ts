import diagnostics from 'node:diagnostics_channel';
import type { NativeUpgradeInfo } from '../../../lib/addon/binding';
import { channelNames } from '../../../lib/base/diagnostics';
import { IotkitError } from '../../../lib/base/errors';
import { Listeners } from '../../../lib/base/listeners';
import type { DownloadRun } from '../../../lib/download/run';
import type { VersionRules } from '../../../lib/options/verify';
import { Announcements } from '../../../lib/ota/announcements';
import type { RunEventMap, UpgradeEventMap } from '../../../lib/ota/events';
import { ProgressQueue } from '../../../lib/ota/progress-queue';
import type { Upgrade } from '../../../lib/ota/upgrade';
import { UpgradeRequests } from '../../../lib/ota/upgrade-requests';
import { VersionReports } from '../../../lib/ota/version-reports';
import { FakeDevice, FakeJob } from '../support';

const HOUR_MS = 3_600_000;

function begin(rules: Partial<VersionRules> = {}) {
  const native = new FakeDevice();
  const versions = new VersionReports((...report) => native.reportVersion(...report));
  const requests = new UpgradeRequests((module) => native.request(module));
  const queue = new ProgressQueue((module, step, desc) =>
    native.reportProgress(step, desc, module),
  );
  const announcements = new Announcements({
    device: native,
    rules: { newerOnly: false, allowVersion: undefined, ...rules },
    maxSize: 0,
    versions,
    requests,
    queue,
    report: (...report) => queue.submit(...report),
    listeners: new Listeners<UpgradeEventMap & RunEventMap>(),
  });
  const announce = (change: Partial<NativeUpgradeInfo> = {}): FakeJob => {
    const job = new FakeJob(change);
    announcements.onUpgrade(job);
    return job;
  };
  const report = (version: string, module = ''): void => {
    void versions.report(version, module);
    announcements.versionReported(module);
  };
  const take = async (): Promise<Upgrade> => {
    const { value } = await announcements.open(undefined, undefined).next();
    return value as Upgrade;
  };
  return { native, requests, announcements, announce, report, take };
}

/** What is published while `act` runs. */
function publishedIn(act: () => void): string[] {
  const heard: string[] = [];
  const listeners = (['upgrade', 'refused'] as const).map((key) => {
    const listener = (event: unknown): void => {
      const { upgrade, error } = event as { upgrade?: Upgrade; error?: IotkitError };
      heard.push(`${key} ${upgrade?.version ?? error?.code}`);
    };
    diagnostics.subscribe(channelNames[key], listener);
    return () => diagnostics.unsubscribe(channelNames[key], listener);
  });
  act();
  for (const stop of listeners) stop();
  return heard;
}

test('an announced upgrade is published and offered', async () => {
  const { announce, take } = begin();
  expect(publishedIn(() => announce())).toEqual(['upgrade 2.0.0']);
  expect((await take()).version).toBe('2.0.0');
});

test('the answer to a request goes to the one who asked, and is not offered', async () => {
  const { native, requests, announcements, announce } = begin();
  const answer = requests.askFor('', HOUR_MS, undefined);
  announce({ id: native.questions[0]?.id ?? '' });
  expect(await answer).toMatchObject({ version: '2.0.0' });
  const feed = announcements.open(undefined, undefined);
  feed.end();
  expect((await feed.next()).done).toBe(true);
});

test('what the rules refuse is reported as step -1, published and refused to who asked', async () => {
  const { native, requests, announce } = begin({ allowVersion: (version) => version === '3' });
  const answer = requests.askFor('MCU', HOUR_MS, undefined);
  const heard = publishedIn(() => announce({ id: native.questions[0]?.id ?? '', module: 'MCU' }));
  expect(heard).toEqual(['refused ERR_VERSION_REFUSED']);
  expect(native.steps).toEqual([[-1, expect.stringMatching(/^ERR_VERSION_REFUSED: /), 'MCU']]);
  await expect(answer).rejects.toMatchObject({ code: 'ERR_VERSION_REFUSED' });
});

test('a version that is reported refuses what waits; allowVersion is not asked once more', () => {
  const asked: string[] = [];
  const allowVersion = (version: string): boolean => asked.push(version) > 0;
  const { native, announce, report } = begin({ newerOnly: true, allowVersion });
  announce({ version: '1' });
  announce({ version: '2', module: 'MCU' });
  expect(publishedIn(() => report('1.5'))).toEqual(['refused ERR_VERSION_REFUSED']);
  expect(native.steps).toEqual([[-1, expect.any(String), '']]);
  // Its own version: the report ends the upgrade, so that nothing is reported of it.
  expect(publishedIn(() => report('2', 'MCU'))).toEqual(['refused ERR_VERSION_REFUSED']);
  expect([native.steps.length, asked]).toEqual([1, ['1', '2']]);
  expect(publishedIn(() => report('2', 'none'))).toEqual([]);
});

test('the rules know one module by both its names', () => {
  const { native, announce, report } = begin({ newerOnly: true });
  report('1.5');
  expect(publishedIn(() => announce({ version: '1', module: 'default' }))).toEqual([
    'refused ERR_VERSION_REFUSED',
  ]);
  expect(native.steps).toEqual([[-1, expect.any(String), '']]);
  announce({ version: '2' });
  expect(publishedIn(() => report('3', 'default'))).toEqual(['refused ERR_VERSION_REFUSED']);
});

test('upgrades that nobody takes are dropped with an error that says so', () => {
  const { announce } = begin();
  const heard = publishedIn(() => {
    for (let i = 0; i < 65; i += 1) announce({ module: `m${i}` });
  });
  expect(heard.filter((it) => it.startsWith('refused'))).toEqual(['refused ERR_QUEUE_FULL']);
});

test('runs are reported of at the module they are for', async () => {
  const { native, announce, take } = begin();
  const job = announce({ module: 'MCU' });
  const done = (await take()).download('/a');
  job.files[0]?.onEnd(0, '');
  await done;
  expect(native.steps).toEqual([
    [0, '', 'MCU'],
    [100, '', 'MCU'],
  ]);
});

test('the end of the device cancels what runs, waits for it, and lets nothing begin', async () => {
  const { announcements, announce, take } = begin();
  announce({ version: '1' });
  announce({ version: '2', module: 'MCU' });
  const [running, idle] = [await take(), await take()];
  const closed = new IotkitError('ERR_CLOSED', 'the device was closed');
  const done = running.download('/a');
  const refused = expect(done).rejects.toBe(closed);
  announcements.assertOpen();
  await announcements.close(closed);
  await refused;
  const end = { code: 'ERR_CLOSED', detail: 'the device was closed' };
  for (const late of [idle.download('/b'), idle.defer(), idle.reject()]) {
    await expect(late).rejects.toMatchObject(end);
  }
  expect(() => announcements.assertOpen()).toThrow(expect.objectContaining(end));
  announce({ version: '3' });
  expect((await announcements.open(undefined, undefined).next()).done).toBe(true);
});

test('blocks count until a second after the last of them', () => {
  jest.useFakeTimers({ now: 0 });
  const { announcements } = begin();
  const run = (upgrade: object): DownloadRun => ({ upgrade }) as DownloadRun;
  const [blocks, http] = [run({ files: [] }), run({ files: [], url: 'http://h/f' })];
  announcements.onRunStart(http);
  announcements.onRunEnd(http);
  expect(announcements.asksForBlocks).toBe(false);
  announcements.onRunStart(blocks);
  expect(announcements.asksForBlocks).toBe(true);
  announcements.onRunEnd(blocks);
  jest.advanceTimersByTime(999);
  expect(announcements.asksForBlocks).toBe(true);
  jest.advanceTimersByTime(1);
  expect(announcements.asksForBlocks).toBe(false);
  jest.useRealTimers();
});
