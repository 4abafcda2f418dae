// One try to connect has a time-out of its own, the first connection as a whole another.
import { tracingChannel } from 'node:diagnostics_channel';
import { getEventListeners, once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import {
  type ConnectTrace,
  connect,
  type Device,
  open,
  type StateChange,
  tracingNames,
} from 'iotkit-ota';
import { Broker } from '../parity/support/broker';

const identity = { productKey: 'pk', deviceName: 'dn', deviceSecret: 'secret' };
const quick = { attemptTimeout: 50, reconnect: { min: 1, max: 1 } };
const CONNACK = Buffer.from([0x20, 2, 0, 0]);

/** A broker that answers only those connections, counted from 1, that it is to answer. */
async function moody(answers: (connection: number) => boolean) {
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    const count = sockets.push(socket);
    socket.on('error', () => {});
    socket.once('data', () => {
      if (answers(count)) socket.write(CONNACK);
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `mqtt://127.0.0.1:${port}`,
    sockets,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await once(server.close(), 'close');
    },
  };
}

/** Resolves with the first change that is asked for. */
function changeOf(device: Device, is: (change: StateChange) => boolean): Promise<StateChange> {
  return new Promise((resolve) => {
    const { off } = device.on('state', (change) => {
      if (!is(change)) return;
      off();
      resolve(change);
    });
  });
}

test('connect() tries again after a try that nobody answers, within connectTimeout', async () => {
  await using broker = await moody((connection) => connection >= 3);
  await using device = await connect({ ...identity, ...quick, url: broker.url });
  expect(device.state).toBe('connected');
  expect(broker.sockets.length).toBeGreaterThanOrEqual(3);
});

test('a later reconnect has the time-out of a try, not connectTimeout', async () => {
  let answers = true;
  await using broker = await moody(() => answers);
  const options = { ...identity, ...quick, url: broker.url, connectTimeout: 3_600_000 };
  await using device = await connect(options);
  answers = false;
  const missed = changeOf(device, ({ error }) => error?.code === 'ERR_CONNECT_TIMEOUT');
  broker.sockets.at(-1)?.destroy();
  await missed;
  answers = true;
  await changeOf(device, ({ state }) => state === 'connected');
});

test('connectTimeout is the whole: it ends a try that is under way', async () => {
  await using broker = await moody(() => false);
  const attempt = connect({
    ...identity,
    url: broker.url,
    attemptTimeout: 3_600_000,
    connectTimeout: 50,
  });
  await expect(attempt).rejects.toMatchObject({
    code: 'ERR_CONNECT_TIMEOUT',
    detail: 'no answer within 50 ms',
  });
});

test('open() returns at once, and connects as soon as there is somebody', async () => {
  await using broker = await moody((connection) => connection > 1);
  await using device = open({ ...identity, ...quick, url: broker.url });
  expect(device.state).toBe('connecting');
  await changeOf(device, ({ state }) => state === 'connected');
  const report = device.ota.reportVersion('1.0.0');
  report.catch(() => {});
  await device.close();
  expect(await device.closed).toBeUndefined();
});

test('a device that the broker refuses says that it needs an operator, and tries on', async () => {
  const broker = await Broker.start({ connack: [4, 4, 0] });
  try {
    const url = `mqtt://127.0.0.1:${broker.port}`;
    // With the usual time-out: the answers are for tries that wait for them, however late they come.
    const { reconnect } = quick;
    await using device = open({ ...identity, reconnect, url });
    const changes: StateChange[] = [];
    device.on('state', (change) => changes.push(change));
    await changeOf(device, ({ state }) => state === 'connected');
    expect(changes).toContainEqual(
      expect.objectContaining({
        needsOperator: true,
        error: expect.objectContaining({ code: 'ERR_MQTT_CREDENTIALS' }),
      }),
    );
    expect(changes.at(-1)).toEqual({ state: 'connected', error: undefined, needsOperator: false });
  } finally {
    await broker.close();
  }
});

test('a subscription that is refused is told by the state and as an event', async () => {
  const broker = await Broker.start({ suback: 0x80 });
  try {
    const url = `mqtt://127.0.0.1:${broker.port}`;
    await using device = open({ ...identity, url });
    const refused: string[] = [];
    const all = new Promise<void>((resolve) => {
      device.on('refused', ({ code, detail }) => {
        if (refused.push(`${code} ${detail}`) === 3) resolve();
      });
    });
    const change = await changeOf(device, ({ state, error }) => state === 'connected' && !!error);
    expect(change).toMatchObject({ error: { code: 'ERR_MQTT_SUBSCRIBE' }, needsOperator: true });
    await all;
    expect(refused).toContain('ERR_MQTT_SUBSCRIBE /ota/device/upgrade/pk/dn');
    expect([device.state, device.error?.code]).toEqual(['connected', 'ERR_MQTT_SUBSCRIBE']);
  } finally {
    await broker.close();
  }
});

test('a call of connect() is traced, whether it succeeds or fails', async () => {
  let answers = false;
  await using broker = await moody(() => answers);
  const heard: [string, ConnectTrace][] = [];
  const note = (what: string) => (context: unknown) =>
    void heard.push([what, { ...(context as ConnectTrace) }]);
  const subscribers = {
    start: note('start'),
    end: () => {},
    asyncStart: note('asyncStart'),
    asyncEnd: () => {},
    error: note('error'),
  };
  const tracing = tracingChannel(tracingNames.connect);
  tracing.subscribe(subscribers);
  try {
    const { url } = broker;
    await expect(connect({ ...identity, url, connectTimeout: 50 })).rejects.toBeDefined();
    answers = true;
    await using device = await connect({ ...identity, url });
    const port = Number(new URL(url).port);
    const context = { productKey: 'pk', deviceName: 'dn', host: '127.0.0.1', port };
    const error = expect.objectContaining({ code: 'ERR_CONNECT_TIMEOUT' });
    expect(heard).toEqual([
      ['start', context],
      ['error', { ...context, error }],
      ['asyncStart', { ...context, error }],
      ['start', context],
      ['asyncStart', { ...context, result: device }],
    ]);
  } finally {
    tracing.unsubscribe(subscribers);
  }
});

test('a logger is told how the connection goes, and no secret', async () => {
  await using broker = await moody(() => true);
  const lines: unknown[][] = [];
  const at = (level: string) => (details: object, message: string) =>
    void lines.push([level, message, details]);
  const logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  const device = await connect({ ...identity, url: broker.url, logger });
  await device.close();
  expect(lines.map(([, message]) => message)).toEqual(
    expect.arrayContaining(['connected', 'closing', 'closed']),
  );
  expect(JSON.stringify(lines)).not.toContain(identity.deviceSecret);
});

test('many devices connect with one signal, and leave no listener on it', async () => {
  await using broker = await moody(() => true);
  const { signal } = new AbortController();
  const names = Array.from({ length: 20 }, (_, i) => `dn${i}`);
  const devices = await Promise.all(
    names.map((deviceName) => connect({ ...identity, deviceName, url: broker.url, signal })),
  );
  expect(getEventListeners(signal, 'abort')).toEqual([]);
  const iterations = devices.map((device) => device.ota.upgrades({ signal }));
  expect(getEventListeners(signal, 'abort')).toHaveLength(1);
  await Promise.all(devices.map((device) => device.close()));
  expect(await Promise.all(iterations.map((it) => it.next()))).toEqual(
    iterations.map(() => ({ done: true, value: undefined })),
  );
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});
