import type { NativeUpgradeInfo } from '../../../lib/addon/binding';
import { PendingUpgrades } from '../../../lib/ota/pending-upgrades';
import { Upgrade, type UpgradeHost } from '../../../lib/ota/upgrade';
import { FakeJob } from '../support';

const upgradeOf = (change: Partial<NativeUpgradeInfo> = {}): Upgrade =>
  new Upgrade(new FakeJob(change), {} as UpgradeHost);

function pendingOf() {
  const dropped: Upgrade[] = [];
  const pending = new PendingUpgrades((upgrade) => dropped.push(upgrade));
  /** What nobody has taken. */
  const rest = async (module?: string): Promise<Upgrade[]> => {
    const feed = pending.open(module, undefined);
    feed.end();
    const upgrades: Upgrade[] = [];
    for await (const upgrade of feed) upgrades.push(upgrade);
    return upgrades;
  };
  return { pending, dropped, rest };
}

test('of each module the newest waits, in the order of the announcements', async () => {
  const { pending, rest } = pendingOf();
  pending.offer(upgradeOf({ version: '1' }));
  pending.offer(upgradeOf({ module: 'MCU' }));
  pending.offer(upgradeOf({ version: '3' }));
  expect(pending.waiting('')?.version).toBe('3');
  expect(await rest()).toMatchObject([{ module: 'MCU' }, { version: '3' }]);
  expect(await rest()).toEqual([]);
});

test('iterations share them, each takes those of its module', async () => {
  const { pending, rest } = pendingOf();
  const [mcu, all] = [pending.open('MCU', undefined), pending.open(undefined, undefined)];
  const [first, second] = [mcu.next(), all.next()];
  pending.offer(upgradeOf());
  pending.offer(upgradeOf({ module: 'MCU' }));
  expect((await second).value).toMatchObject({ module: undefined });
  expect((await first).value).toMatchObject({ module: 'MCU' });
  pending.offer(upgradeOf());
  expect(await rest('MCU')).toEqual([]);
  expect(await rest('')).toHaveLength(1);
});

test('the oldest is dropped when too many wait', () => {
  const { pending, dropped } = pendingOf();
  for (let i = 0; i < 64; i += 1) pending.offer(upgradeOf({ module: `m${i}` }));
  pending.offer(upgradeOf({ module: 'm0', version: '9' }));
  expect(dropped).toMatchObject([{ module: 'm0', version: '2.0.0' }]);
  pending.offer(upgradeOf({ module: 'last' }));
  expect(dropped).toMatchObject([{ module: 'm0' }, { module: 'm1' }]);
});

describe('an upgrade that the program has', () => {
  test('is not offered again, however it was taken', async () => {
    const { pending, rest } = pendingOf();
    const [iterated, asked] = [upgradeOf(), upgradeOf({ module: 'MCU' })];
    expect([pending.offer(iterated), pending.offer(asked)]).toEqual([true, true]);
    expect(pending.offer(iterated)).toBe(false);
    pending.take(asked);
    expect(await rest()).toEqual([iterated]);
    expect([pending.offer(iterated), pending.offer(asked)]).toEqual([false, false]);
    expect([pending.find(upgradeOf({ id: '9' })), pending.find(asked)]).toEqual([iterated, asked]);
    expect(pending.find(upgradeOf({ version: '3' }))).toBeUndefined();
  });

  test('is offered by the next notice when it has failed, once', async () => {
    const { pending, rest } = pendingOf();
    const upgrade = upgradeOf();
    pending.offer(upgrade);
    await rest();
    pending.consumed(upgrade, 'begun');
    expect(pending.offer(upgrade)).toBe(false);
    pending.consumed(upgrade, 'failed');
    expect(await rest()).toEqual([]);
    expect(pending.offer(upgrade)).toBe(true);
    expect(await rest()).toEqual([upgrade]);
    expect(pending.offer(upgrade)).toBe(false);
  });

  test('is withdrawn when it is consumed while it waits once more', async () => {
    const { pending, rest } = pendingOf();
    const upgrade = upgradeOf();
    pending.offer(upgrade);
    pending.consumed(upgrade, 'failed');
    pending.offer(upgrade);
    pending.consumed(upgrade, 'begun');
    expect(await rest()).toEqual([]);
  });

  test('ends with the report of its version; a new notice is a new upgrade', async () => {
    const { pending, rest } = pendingOf();
    const upgrade = upgradeOf();
    pending.offer(upgrade);
    pending.installed('', '2.0.0');
    expect(pending.waiting('')).toBe(upgrade);
    await rest();
    pending.installed('', '1.0.0');
    expect(pending.find(upgrade)).toBe(upgrade);
    pending.installed('', '2.0.0');
    expect(pending.find(upgrade)).toBeUndefined();
  });

  test('is remembered for a bounded number of modules, and waiting ones stay', async () => {
    const { pending } = pendingOf();
    const first = upgradeOf({ module: 'first' });
    pending.offer(first);
    for (let i = 0; i < 200; i += 1) pending.take(upgradeOf({ module: `m${i}` }));
    expect(pending.find(first)).toBe(first);
    expect(pending.find(upgradeOf({ module: 'm0' }))).toBeUndefined();
    expect(pending.find(upgradeOf({ module: 'm199' }))).toBeDefined();
  });
});

test('a deferred image is not offered before the next connection', async () => {
  const { pending, rest } = pendingOf();
  pending.offer(upgradeOf());
  pending.defer(upgradeOf({ id: '2' }));
  pending.offer(upgradeOf({ id: '3' }));
  expect(await rest()).toEqual([]);
  pending.connected();
  pending.offer(upgradeOf({ id: '4' }));
  expect(await rest()).toMatchObject([{ id: '4' }]);
});

test('a rejected notice is not offered again, another of the same image is', async () => {
  const { pending, rest } = pendingOf();
  pending.offer(upgradeOf());
  pending.reject(upgradeOf());
  pending.connected();
  pending.offer(upgradeOf());
  expect(await rest()).toEqual([]);
  pending.offer(upgradeOf({ id: '2' }));
  expect(await rest()).toMatchObject([{ id: '2' }]);
});

test('an image has ended when it was rejected, or failed and was not tried again', async () => {
  const { pending } = pendingOf();
  const upgrade = upgradeOf();
  const other = upgradeOf({ digest: 'ef'.repeat(32) });
  pending.offer(upgrade);
  expect(pending.hasEnded(upgrade)).toBe(false);
  pending.consumed(upgrade, 'failed');
  expect([pending.hasEnded(upgrade), pending.hasEnded(other)]).toEqual([true, false]);
  pending.consumed(upgrade, 'begun');
  expect(pending.hasEnded(upgrade)).toBe(false);
  pending.reject(upgrade);
  expect([pending.hasEnded(upgrade), pending.hasEnded(other)]).toEqual([true, false]);
});

test('forget() and close() leave nothing, and nothing comes after close()', async () => {
  const { pending, rest } = pendingOf();
  pending.offer(upgradeOf());
  pending.forget(pending.waiting('') as Upgrade);
  expect(pending.waiting('')).toBeUndefined();
  pending.offer(upgradeOf());
  const waiting = pending.open('MCU', undefined).next();
  pending.close();
  pending.offer(upgradeOf());
  expect([await rest(), (await waiting).done]).toEqual([[], true]);
});

test('default and no name are one module', async () => {
  const { pending, rest } = pendingOf();
  pending.offer(upgradeOf({ version: '1' }));
  pending.offer(upgradeOf({ version: '2', module: 'default' }));
  expect(pending.waiting('')?.version).toBe('2');
  expect(pending.waiting('default')?.version).toBe('2');
  expect(await rest('')).toMatchObject([{ version: '2' }]);
  pending.offer(upgradeOf({ version: '3' }));
  expect(await rest('default')).toMatchObject([{ version: '3' }]);
  const taken = upgradeOf({ version: '4', module: 'default' });
  pending.offer(taken);
  expect(pending.known('')).toBe(taken);
  pending.take(taken);
  expect(await rest()).toEqual([]);
  pending.installed('', '4');
  expect(pending.known('default')).toBeUndefined();
  pending.reject(upgradeOf({ version: '5' }));
  pending.offer(upgradeOf({ version: '5', module: 'default' }));
  expect(await rest()).toEqual([]);
});
