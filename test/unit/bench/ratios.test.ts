/** What the costs of a section say. */
import { floorOf, limitOf, median, rowsOf, stagesOf } from '../../../bench/ratios';
import type { Peer } from '../../../bench/section';
import { cost, GIB, section } from './section';

const rowOf = (peer: Peer, more = {}) => rowsOf(section(more), 2).find((row) => row.peer === peer);

test('a median is the middle one, or between the two in the middle', () => {
  expect(median([3, 1, 2])).toBe(2);
  expect(median([4, 1, 2, 3])).toBe(2.5);
  expect(median([])).toBeNaN();
});

test('stages stand in the order of a download, with the median of their CPU time for a GiB', () => {
  expect([...stagesOf(section())]).toEqual([
    ['receive', 0.4],
    ['decrypt', 0.3],
    ['digest', 1],
    ['write', 0.2],
  ]);
  const half = { ...section(), size: GIB / 2 };
  expect(stagesOf(half).get('digest')).toBe(2);
});

test('the floor of what writes nothing has no writing in it', () => {
  const stages = stagesOf(section());
  expect(floorOf('file', stages)).toEqual([0.4, 0.3, 1, 0.2]);
  for (const peer of ['recycled', 'chunks', 'alone-fetch'] as const)
    expect(floorOf(peer, stages)).toEqual([0.4, 0.3, 1]);
});

test.each([
  ['the slowest stage', [0.4, 3], 0.5, 'free', 2, 3],
  ['the server', [0.4, 0.5], 4, 'free', 4, 4],
  ['all CPU time on the cores', [1, 1], 1, 'free', 2, 1.5],
  ['all CPU time of one core', [1, 1], 1, 'together', 2, 3],
  ['the client on a core', [1, 1], 1, 'apart', 2, 2],
  ['the server on a core', [0.2, 0.2], 1, 'apart', 2, 1],
] as const)('the limit is %s', (_, stages, server, placement, cores, limit) => {
  expect(limitOf(stages, server, placement, cores)).toBe(limit);
});

test('a row compares medians with floor, limit and the other peers', () => {
  const file = rowOf('file');
  expect(file?.secondsPerGiB).toBe(3);
  expect(file?.cpuSecondsPerGiB).toBe(2);
  expect(file?.cpuOverFloor).toBeCloseTo(2 / 1.9);
  expect(file?.shareOfLimit).toBeCloseTo((1.9 + 0.8) / 2 / 3);
  expect(file?.speedOver.node).toBeCloseTo(8 / 3);
  expect(file?.speedOver.alone).toBeCloseTo(2 / 3);
  expect(file?.cpuOver.node).toBeCloseTo(2 / 6);
  expect(file?.eventLoop).toBeCloseTo(0.02);
});

test('what the system does not tell of every run is left out', () => {
  const costs = { node: [cost(8, 6)], file: [cost(2, 2, { eventLoop: 0.1 }), cost(2, 2)] };
  const row = rowOf('file', { costs, floor: {} });
  expect(row).not.toHaveProperty('eventLoop');
  expect(row).not.toHaveProperty('serverCpuPerGiB');
  expect(row).not.toHaveProperty('shareOfLimit');
  expect(row).not.toHaveProperty('cpuOverFloor');
});
