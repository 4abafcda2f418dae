import { FAULT_KINDS, Faults } from '../../src/faults/faults';
import type { Fault } from '../../src/index';

test('a fault strikes where its scope says', () => {
  const faults = new Faults();
  const id = faults.set({ kind: 'http-expired', firmwareId: 'a' });
  faults.set({ kind: 'mqtt-no-puback', deviceName: 'lamp' });
  expect(faults.strike(['http-expired'], { firmwareId: 'b' })).toEqual([]);
  expect(faults.strike(['http-drop'], { firmwareId: 'a' })).toEqual([]);
  expect(faults.strike(['http-expired'], { firmwareId: 'a' })).toEqual([
    { id, kind: 'http-expired', firmwareId: 'a', hits: 1 },
  ]);
  expect(faults.strike(['mqtt-no-puback'], { deviceName: 'fan' })).toEqual([]);
  expect(faults.strike(['mqtt-no-puback'], { deviceName: 'lamp' })).toHaveLength(1);
});

test('mqtt-drop strikes at the moment that it names', () => {
  const faults = new Faults();
  faults.set({ kind: 'mqtt-drop', on: 'publish' });
  expect(faults.strike(['mqtt-drop'], { on: 'connect' })).toEqual([]);
  expect(faults.strike(['mqtt-drop'], { on: 'publish' })).toHaveLength(1);
});

test.each([
  [{}, 0, 30],
  [{}, 1, 10],
  [{ qos0: 2 }, 0, 2],
  [{ qos1: 1 }, 1, 1],
])('mqtt-rate-limit %j strikes at QoS %d over %d', (rates, qos, most) => {
  const faults = new Faults();
  faults.set({ kind: 'mqtt-rate-limit', ...rates });
  const strike = (count: number) =>
    faults.strike(['mqtt-rate-limit'], { message: { qos, count } }).length;
  expect([strike(most), strike(most + 1)]).toEqual([0, 1]);
  expect(faults.strike(['mqtt-rate-limit'], {})).toEqual([]);
});

test('a fault passes what it skips, strikes as often as it may, and stays listed', () => {
  const faults = new Faults();
  faults.set({ kind: 'notice-lost', skip: 1, times: 2 });
  const struck = [1, 2, 3, 4].map(() => faults.strike(['notice-lost'], {}).length);
  expect(struck).toEqual([0, 1, 1, 0]);
  expect(faults.list()).toMatchObject([{ kind: 'notice-lost', hits: 2 }]);
});

test('an occasion counts for no more faults than the limit', () => {
  const faults = new Faults();
  const first = faults.set({ kind: 'http-expired', times: 1 });
  const second = faults.set({ kind: 'http-no-answer' });
  const strike = () => faults.strike(['http-expired', 'http-no-answer'], {}, 1)[0]?.id;
  expect([strike(), strike()]).toEqual([first, second]);
  expect(faults.list().map(({ hits }) => hits)).toEqual([1, 1]);
});

test('faults are removed one by one, or all', () => {
  const faults = new Faults();
  faults.remove(faults.set({ kind: 'notice-digest' }));
  expect(faults.list()).toEqual([]);
  faults.set({ kind: 'notice-digest' });
  faults.clear();
  expect(faults.list()).toEqual([]);
  expect(() => faults.remove('x')).toThrow(expect.objectContaining({ code: 'ERR_FAULT_UNKNOWN' }));
});

test('what is set is copied', () => {
  const faults = new Faults();
  const fault = { kind: 'notice-patch', data: { size: 1 } } as const;
  faults.set(fault);
  Object.assign(fault.data, { size: 2 });
  expect(faults.list()).toMatchObject([{ data: { size: 1 } }]);
});

test('a kind that the platform does not support is refused with the reason', () => {
  const faults = new Faults((kind) => (kind === 'mqtt-refuse' ? 'because' : undefined));
  expect(() => faults.set({ kind: 'mqtt-refuse', returnCode: 3 })).toThrow(
    expect.objectContaining({ code: 'ERR_FAULT_UNSUPPORTED', message: 'because' }),
  );
  faults.set({ kind: 'mqtt-no-puback' });
});

test.each<object>([
  { kind: 'unknown' },
  { kind: 'toString' },
  { kind: 'http-drop' },
  { kind: 'http-drop', afterBytes: -1 },
  { kind: 'http-drop', afterBytes: 1.5 },
  { kind: 'http-status', status: 99 },
  { kind: 'http-redirect', status: 200 },
  { kind: 'mqtt-refuse', returnCode: 1 },
  { kind: 'mqtt-drop', on: 'tuesday' },
  { kind: 'http-slow', bytesPerSecond: 0 },
  { kind: 'notice-lost', times: 0 },
  { kind: 'mqtt-rate-limit', qos0: 0 },
  { kind: 'notice-lost', skip: -1 },
])('%j is refused', (fault) => {
  expect(FAULT_KINDS).not.toContain('unknown');
  expect(() => new Faults().set(fault as Fault)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
  );
});
