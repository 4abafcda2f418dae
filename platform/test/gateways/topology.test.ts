import { ManualClock } from '../../src/base/clock';
import { Topology } from '../../src/gateways/topology';
import { MemoryStore } from '../support/memory-store';

const key = (deviceName: string) => ({ productKey: 'pk', deviceName });
let clock: ManualClock;
let store: MemoryStore;
let topology: Topology;

async function reopened(): Promise<Topology> {
  const again = new Topology(store, clock);
  await again.load();
  return again;
}

beforeEach(async () => {
  clock = new ManualClock(5);
  store = new MemoryStore();
  topology = await reopened();
});

test('a sub-device belongs to one gateway at a time', async () => {
  topology.add(key('sub'), key('a'));
  topology.add(key('sub'), key('b'));
  for (const each of [topology, await reopened()]) {
    expect(each.of(key('a'))).toEqual([]);
    expect(each.of(key('b'))).toEqual([{ ...key('sub'), gateway: key('b'), addedAt: 5 }]);
    expect([each.count(key('a')), each.count(key('b'))]).toEqual([0, 1]);
    expect([each.isOf(key('sub'), key('a')), each.isOf(key('sub'), key('b'))]).toEqual([
      false,
      true,
    ]);
  }
});

test('sub-devices are listed in the order in which they were added, after a restart too', async () => {
  for (const name of ['b', 'a', 'c']) {
    topology.add(key(name), key('hub'));
    clock.advance(1);
  }
  for (const each of [topology, await reopened()]) {
    expect(each.of(key('hub')).map(({ deviceName }) => deviceName)).toEqual(['b', 'a', 'c']);
  }
});

test('what is removed stays so', async () => {
  topology.add(key('sub'), key('a'));
  topology.remove(key('sub'));
  topology.remove(key('sub'));
  for (const each of [topology, await reopened()]) {
    expect(each.gatewayOf(key('sub'))).toBeUndefined();
  }
});

test('what an operator changes shows when it is durable', async () => {
  store.refusal = new Error('full');
  await expect(topology.commitAdded([key('sub')], key('a'))).rejects.toThrow('full');
  expect(topology.gatewayOf(key('sub'))).toBeUndefined();
  store.refusal = undefined;
  await topology.commitAdded([key('sub')], key('a'));
  store.refusal = new Error('full');
  await expect(topology.commitRemoved([key('sub')])).rejects.toThrow('full');
  expect(topology.gatewayOf(key('sub'))).toEqual(key('a'));
  store.refusal = undefined;
  await topology.commitRemoved([key('sub')]);
  expect((await reopened()).gatewayOf(key('sub'))).toBeUndefined();
});
