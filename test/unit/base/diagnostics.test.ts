import diagnostics from 'node:diagnostics_channel';
import { channelNames, publish, traced, tracingNames } from '../../../lib/base/diagnostics';
import { heardOn } from '../../support/tracing';

const keys = Object.keys(channelNames) as ReadonlyArray<keyof typeof channelNames>;

test.each(keys)('%s is published under its name, to those who listen', (key) => {
  const heard: unknown[] = [];
  const listener = (event: unknown): void => void heard.push(event);
  const event = { what: key };
  publish(key, { what: 'nobody listens' });
  diagnostics.subscribe(channelNames[key], listener);
  publish(key, event);
  diagnostics.unsubscribe(channelNames[key], listener);
  publish(key, { what: 'nobody listens any more' });
  expect(heard).toEqual([event]);
});

test('the names are those of the package, each its own', () => {
  const names = Object.values(channelNames);
  expect(new Set(names).size).toBe(names.length);
  for (const name of names) expect(name).toMatch(/^iotkit-ota:/);
});

const traces = Object.keys(tracingNames) as ReadonlyArray<keyof typeof tracingNames>;

test.each(traces)('a traced %s is the call alone if nobody listens', async (key) => {
  const promise = Promise.resolve('good');
  expect(traced(key, {}, () => promise)).toBe(promise);
  expect(() =>
    traced(key, {}, () => {
      throw new Error('at once');
    }),
  ).toThrow('at once');
  const ended: unknown[] = [];
  const listener = (context: unknown): void => void ended.push(context);
  const name = `tracing:${tracingNames[key]}:asyncEnd`;
  diagnostics.subscribe(name, listener);
  expect(await traced(key, { id: 1 }, () => promise)).toBe('good');
  diagnostics.unsubscribe(name, listener);
  expect(ended).toEqual([{ id: 1, result: 'good' }]);
  expect(traced(key, {}, () => promise)).toBe(promise);
});

test.each(traces)('a traced %s is published from its beginning to its end', async (key) => {
  const error = new Error('no');
  const heard = await heardOn(diagnostics.tracingChannel(tracingNames[key]), async () => {
    expect(await traced(key, { id: 1 }, async () => 'good')).toBe('good');
    await expect(traced(key, { id: 2 }, async () => Promise.reject(error))).rejects.toBe(error);
  });
  await traced(key, { id: 3 }, async () => 'unheard');
  expect(heard).toEqual([
    ['start', { id: 1 }],
    ['end', { id: 1 }],
    ['asyncStart', { id: 1, result: 'good' }],
    ['asyncEnd', { id: 1, result: 'good' }],
    ['start', { id: 2 }],
    ['end', { id: 2 }],
    ['error', { id: 2, error }],
    ['asyncStart', { id: 2, error }],
    ['asyncEnd', { id: 2, error }],
  ]);
});
