import type { DeviceListener, NativeAttachment, NativeTransport } from '../../../lib/addon/binding';
import type { AttachReceive, CheckedTransport } from '../../../lib/device/attach-options';
import { AttachedConnection } from '../../../lib/device/attached-connection';
import { errorCodes } from '../../../lib/generated/error-codes';
import { FakeDevice, refusalOf } from '../support';

const bytes = Uint8Array.of(1, 2);

/** The addon's side, and what it was asked. */
class FakeAttachment extends FakeDevice implements NativeAttachment {
  readonly fed: unknown[] = [];
  readonly kept: unknown[] = [];
  readonly connections: boolean[] = [];
  room = 2;

  feed(...message: unknown[]): boolean {
    this.fed.push(message);
    return true;
  }

  setConnected(connected: boolean): void {
    this.connections.push(connected);
  }

  keep(...message: unknown[]): boolean {
    return this.kept.length < this.room && this.kept.push(message) > 0;
  }
}

function connectionOf(more: Partial<CheckedTransport> = {}) {
  const told: unknown[] = [];
  const note =
    (name: string) =>
    (...values: unknown[]): void => {
      told.push([name, ...values]);
    };
  const listener: DeviceListener = {
    onState: (state, errno, _, connects) => note('state')(state, errno, connects),
    onPublished: note('published'),
    onUpgrade: note('upgrade'),
    onRefused: note('refused'),
    onNothing: note('nothing'),
    onSubscribed: note('subscribed'),
    onMessages: note('messages'),
    onConfig: note('config'),
    onConfigRefused: note('configRefused'),
    onConfigNothing: note('configNothing'),
    onTime: note('time'),
    onTimeRefused: note('timeRefused'),
    onGatewayAnswer: note('gatewayAnswer'),
    onSubDevice: note('subDevice'),
    onClosed: note('closed'),
  };
  let receive: AttachReceive = () => false;
  let changed: (connected: boolean) => void = () => {};
  const stopped: string[] = [];
  const transport: CheckedTransport = {
    publish: note('publish'),
    subscribe: note('subscribe'),
    unsubscribe: note('unsubscribe'),
    onMessage: (given) => {
      receive = given;
      return () => stopped.push('messages');
    },
    onConnection: (given) => {
      changed = given;
      return () => stopped.push('connection');
    },
    connected: true,
    ...more,
  };
  const native = new FakeAttachment();
  let calls: NativeTransport | undefined;
  const connection = new AttachedConnection(transport, listener, (given) => {
    calls = given;
    return native;
  });
  connection.start();
  told.length = 0;
  return {
    connection,
    native,
    told,
    stopped,
    calls: calls as unknown as NativeTransport,
    receive: (...message: Parameters<AttachReceive>) => receive(...message),
    changed: (connected: boolean) => changed(connected),
  };
}

/** All that follows without waiting for anything. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('messages out', () => {
  test('one of QoS 1 is acknowledged when the promise resolves', async () => {
    let acknowledge: (value?: unknown) => void = () => {};
    const publish = jest.fn(() => new Promise((resolve) => (acknowledge = resolve)));
    const { calls, told } = connectionOf({ publish });
    calls.publish('t', bytes, 1, 7);
    expect(publish).toHaveBeenCalledWith('t', bytes, { qos: 1 });
    await settle();
    expect(told).toEqual([]);
    acknowledge();
    await settle();
    expect(told).toEqual([['published', 7, 0, '']]);
  });

  test('a failed one fails its report, or is refused', async () => {
    const { calls, told } = connectionOf({
      publish: () => {
        throw new Error('no');
      },
    });
    calls.publish('t', bytes, 1, 7);
    calls.publish('t', bytes, 0, 0);
    await settle();
    const { errno } = errorCodes.ERR_NETWORK;
    expect(told).toEqual([
      ['published', 7, errno, 'publish to t: no'],
      ['refused', errno, 'publish to t: no', ''],
    ]);
  });

  test('one that was lost with the connection is kept for the next, as long as there is room', async () => {
    const { calls, told, native, changed } = connectionOf({
      publish: () => Promise.reject(new Error('gone')),
    });
    for (const packetId of [1, 2, 3, 0]) calls.publish('t', bytes, packetId ? 1 : 0, packetId);
    changed(false);
    await settle();
    expect(native.kept).toEqual([
      ['t', bytes, 1],
      ['t', bytes, 2],
    ]);
    expect(told).toEqual([
      ['state', 3, errorCodes.ERR_NOT_CONNECTED.errno, 1],
      ['published', 3, errorCodes.ERR_QUEUE_FULL.errno, 'publish to t: gone'],
    ]);
  });
});

describe('subscriptions', () => {
  test('only what is subscribed is fed', () => {
    const { calls, native, receive } = connectionOf();
    calls.subscribe('a', 1);
    expect(receive('b', bytes)).toBe(false);
    expect(receive('a', bytes, true)).toBe(true);
    calls.unsubscribe('a');
    expect(receive('a', bytes)).toBe(false);
    expect(native.fed).toEqual([['a', bytes, true]]);
  });

  test('a refused one is told, unless the connection is gone', async () => {
    const { calls, told, changed } = connectionOf({
      subscribe: () => Promise.reject(new Error('not allowed')),
      unsubscribe: () => Promise.reject(new Error('too late')),
    });
    calls.subscribe('a', 1);
    await settle();
    calls.unsubscribe('a');
    const refused = ['refused', errorCodes.ERR_MQTT_SUBSCRIBE.errno, 'a: not allowed', ''];
    expect(told).toEqual([refused]);
    changed(false);
    calls.subscribe('a', 1);
    await settle();
    expect(told.at(-1)).toEqual(['state', 3, errorCodes.ERR_NOT_CONNECTED.errno, 1]);
  });

  test('what the program passes on must be a message', () => {
    const { calls, receive, changed } = connectionOf();
    calls.subscribe('a', 1);
    expect(refusalOf(() => receive('a', 'x' as never)).message).toContain('payload must be');
    expect(refusalOf(() => receive(1 as never, bytes)).message).toContain('topic must be');
    expect(refusalOf(() => changed('yes' as never)).message).toContain('connected must be');
  });
});

describe('the connection', () => {
  test('each one counts', () => {
    const { native, told, changed } = connectionOf();
    changed(false);
    changed(true);
    changed(true);
    expect(native.connections).toEqual([true, false, true, true]);
    expect(told.slice(1)).toEqual([
      ['state', 2, 0, 2],
      ['state', 2, 0, 3],
    ]);
  });

  test('there may be none at first', () => {
    const { native } = connectionOf({ connected: false });
    expect(native.connections).toEqual([false]);
  });

  test('what the handler was told at once goes before `connected`', () => {
    const { native } = connectionOf({
      onConnection: (changed) => changed(true),
      connected: false,
    });
    expect(native.connections).toEqual([true]);
  });
});

test('once closed, the program hears and is heard no more', async () => {
  const { connection, calls, told, native, stopped, receive, changed } = connectionOf({
    publish: () => Promise.reject(new Error('late')),
  });
  calls.subscribe('a', 1);
  calls.publish('t', bytes, 1, 7);
  connection.close();
  told.length = 0;
  expect(stopped).toEqual(['messages', 'connection']);
  expect(receive('a', bytes)).toBe(false);
  changed(false);
  await settle();
  expect(told).toEqual([]);
  expect(native.connections).toEqual([true]);
});

test('the program has a client of its own for its messages', () => {
  const { connection } = connectionOf();
  const { errno } = errorCodes.ERR_UNSUPPORTED;
  expect(connection.publish()).toBe(errno);
  expect(connection.subscribe()).toBe(errno);
});
