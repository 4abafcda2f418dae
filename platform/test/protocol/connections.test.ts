import { ManualClock } from '../../src/base/clock';
import { Events } from '../../src/events/events';
import type { Broker } from '../../src/protocol/broker';
import { Connections } from '../../src/protocol/connections';

const key = { productKey: 'pk', deviceName: 'dn' };
let events: Events;
let connections: Connections;

function broker(over: Partial<Broker> = {}): Broker {
  return {
    health: { connected: true },
    presence: () => 'yes',
    seesMessages: true,
    takesCustomCalls: () => true,
    canReceive: () => true,
    publish: async () => undefined,
    disconnect: () => undefined,
    evict: () => undefined,
    close: async () => undefined,
    ...over,
  };
}

beforeEach(() => {
  events = new Events(new ManualClock());
  connections = new Connections(events);
});

test('without a broker nobody is online and nothing is sent', () => {
  expect([connections.presence(key), connections.canReceive(key, 't')]).toEqual(['no', false]);
  expect([connections.seesMessages, connections.takesCustomCalls(key)]).toEqual([false, false]);
  expect(connections.health.connected).toBe(false);
  connections.disconnect(key);
  connections.send('t', 'x', 1, () => {
    throw new Error('it is no failure');
  });
});

test('with a broker it is asked', () => {
  const calls: unknown[] = [];
  connections.attach(
    broker({
      presence: () => 'unknown',
      canReceive: (...call) => calls.push(call) > 5,
      publish: async (...call) => void calls.push(call),
      disconnect: (...call) => void calls.push(call),
    }),
  );
  expect(connections.presence(key)).toBe('unknown');
  expect(connections.health).toEqual({ connected: true });
  expect(connections.canReceive(key, 't')).toBe(false);
  connections.send('t', 'x', 1);
  connections.disconnect(key);
  expect(calls).toEqual([[key, 't'], ['t', 'x', 1], [key]]);
});

test('a message of an operator fails as its broker does', async () => {
  const payload = Buffer.from('x');
  await expect(connections.publish('t', payload, 1, key)).rejects.toThrow('not open yet');
  const calls: unknown[] = [];
  connections.attach(broker({ publish: async (...call) => void calls.push(call) }));
  await connections.publish('t', payload, 1, key);
  expect(calls).toEqual([['t', payload, 1, key]]);
});

test('a failure is an event, after who sent was notified', async () => {
  connections.attach(broker({ publish: () => Promise.reject(new Error('no way')) }));
  const order: string[] = [];
  const reported = events.waitFor('bad-message').then(({ topic, reason }) => {
    order.push(`${topic}: ${reason}`);
  });
  connections.send('t', 'x', 0, () => order.push('sender'));
  await reported;
  expect(order).toEqual(['sender', 't: not sent: no way']);
});
