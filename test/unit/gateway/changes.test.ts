import { Changes, type TopologyChange } from '../../../lib/gateway/changes';

const created = (deviceName: string): TopologyChange => ({
  type: 'created',
  productKey: 'pk',
  deviceName,
});

test('each iteration gets every change, in order, from its beginning on', async () => {
  const changes = new Changes();
  const first = changes.open(undefined);
  changes.push(created('a'));
  const second = changes.open(undefined);
  changes.push(created('b'));
  changes.close();
  const all = async (from: AsyncIterable<TopologyChange>): Promise<string[]> => {
    const names: string[] = [];
    for await (const { deviceName } of from) names.push(deviceName);
    return names;
  };
  expect([await all(first), await all(second)]).toEqual([['a', 'b'], ['b']]);
  expect(await all(changes.open(undefined))).toEqual([]);
});

test('one that takes nothing is given up', async () => {
  const changes = new Changes();
  const slow = changes.open(undefined);
  for (let i = 0; i <= 10_000; i += 1) changes.push(created(`${i}`));
  await expect(slow.next()).rejects.toMatchObject({ code: 'ERR_QUEUE_FULL' });
});

test('one ends with its signal', async () => {
  const changes = new Changes();
  const controller = new AbortController();
  const waiting = changes.open({ signal: controller.signal }).next();
  controller.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
});
