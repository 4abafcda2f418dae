import { ManualClock } from '../../src/base/clock';
import { Events } from '../../src/events/events';

const key = { productKey: 'a', deviceName: 'b' };
const clock = new ManualClock(5);
let events: Events;

beforeEach(() => {
  events = new Events(clock);
});

test('a listener gets the event with its name and time, until it is removed', () => {
  const heard: unknown[] = [];
  const listen = (event: unknown): void => {
    heard.push(event);
  };
  events.on('device-connected', listen);
  const stop = events.onAny(listen);
  events.emit('device-connected', key);
  const event = { type: 'device-connected', time: 5, ...key };
  expect(heard).toEqual([event, event]);
  events.off('device-connected', listen);
  stop();
  events.emit('device-connected', key);
  expect(heard).toHaveLength(2);
});

test("a listener's mistake is thrown a turn later, not into what emits", () => {
  const thrown: (() => void)[] = [];
  const later = jest.spyOn(globalThis, 'queueMicrotask').mockImplementation((call) => {
    thrown.push(call);
  });
  try {
    events.on('version-reported', () => {
      throw new Error('mistake');
    });
    events.emit('version-reported', { ...key, version: '1' });
    expect(thrown).toHaveLength(1);
    expect(thrown[0]).toThrow('mistake');
  } finally {
    later.mockRestore();
  }
});

test('a message is given to who names it alone', () => {
  const heard: unknown[] = [];
  const all: unknown[] = [];
  events.onAny((event) => all.push(event));
  expect(events.hears('message')).toBe(false);
  events.on('message', (event) => heard.push(event));
  expect(events.hears('message')).toBe(true);
  const message = { ...key, topic: '/t', payload: Buffer.from('x') };
  events.emit('message', message);
  expect([heard, all]).toEqual([[{ type: 'message', time: 5, ...message }], []]);
});

test('waiting ends with the event that is meant', async () => {
  const waiting = events.waitFor('version-reported', ({ version }) => version === '2');
  events.emit('version-reported', { ...key, version: '1' });
  events.emit('version-reported', { ...key, version: '2' });
  expect(await waiting).toMatchObject({ version: '2' });
});

test('waiting ends with its signal, and with the events', async () => {
  const controller = new AbortController();
  const always = (): boolean => true;
  const aborted = events.waitFor('device-connected', always, controller.signal);
  controller.abort(new Error('enough'));
  await expect(aborted).rejects.toThrow('enough');
  await expect(events.waitFor('device-connected', always, controller.signal)).rejects.toThrow(
    'enough',
  );
  const ended = events.waitFor('device-connected');
  events.end(new Error('closed'));
  await expect(ended).rejects.toThrow('closed');
  await expect(events.waitFor('device-connected')).rejects.toThrow('closed');
});

test('iterating loses nothing, and ends with the events', async () => {
  const iterator = events.iterate();
  events.emit('device-connected', key);
  events.emit('device-disconnected', key);
  expect((await iterator.next()).value).toMatchObject({ type: 'device-connected' });
  expect((await iterator.next()).value).toMatchObject({ type: 'device-disconnected' });
  const last = iterator.next();
  events.end(new Error('closed'));
  expect(await last).toMatchObject({ done: true });
});
