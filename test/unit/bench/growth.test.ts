import {
  type DevicesRun,
  devicesGoalIds,
  devicesGoals,
  dotsOf,
  growthRows,
  idleCpu,
  type Point,
} from '../../../bench/growth';

const point = (devices: number, memory: number): Point => ({
  devices,
  resident: 50 * 1_024 + devices * memory,
  memory,
  heap: 1,
  young: 3,
  seconds: 7,
  connectCpu: 600,
});
const run = (memory: number): DevicesRun => ({
  load: 0.1,
  clients: {
    'iotkit-ota': {
      points: [point(1, 0), point(10_000, memory)],
      rested: point(10_000, memory - 3),
      idle: 0.1,
      ping: 20,
    },
    'MQTT.js': { points: [point(1, 0)], rested: point(1, 0), idle: 1, ping: 50 },
  },
});

test('the goals are those of 10,000 devices that rest', () => {
  const goals = devicesGoals({ tcp: run(8), tls: run(29) });
  expect(goals.map(({ value, met }) => [value, met])).toEqual([
    [5, true],
    [26, false],
    [7, true],
    [expect.closeTo(0.8), true],
  ]);
  expect(goals.map(({ id }) => id)).toEqual(devicesGoalIds);
  expect(devicesGoals({})).toEqual([]);
});

test('idle devices ping as often as the default keep-alive says', () => {
  const points = [point(2_850, 1)];
  const growth = { points, rested: point(2_850, 1), idle: 0.5, ping: 100 };
  expect(idleCpu(growth)).toBeCloseTo(0.5 + 1);
});

test('rows and dots of each client and count', () => {
  expect(growthRows(run(8))[1]).toEqual([
    'iotkit-ota, 10,000',
    '128.1',
    '8.0',
    '1.0',
    '3.0',
    '7.0',
    '600',
  ]);
  expect(growthRows(run(8))[2]?.slice(0, 3)).toEqual([
    'iotkit-ota, 10,000, ½ minute later',
    '98.8',
    '5.0',
  ]);
  expect(dotsOf({ tcp: run(8) })).toHaveLength(3);
});
