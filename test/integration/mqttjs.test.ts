import { EventEmitter } from 'node:events';
import { readFile } from 'node:fs/promises';
import {
  type AttachedDevice,
  type AttachedOptions,
  attachMqttJs,
  type IotkitError,
  type StateChange,
  stats,
} from 'iotkit-ota';
import { signIn } from 'iotkit-ota-platform';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { imageOf } from '../support/image';
import { PRODUCT_KEY, type Registered, World } from '../support/world';

// Everything of `ota` over a real MQTT.js client that the program owns.

const image = imageOf(700_001);
const quick = { retry: { min: 1, max: 5 }, responseTimeout: 500, idleTimeout: 500 };

/** A program's client, which ends with its test. */
class Program implements AsyncDisposable {
  readonly client: MqttClient;
  readonly device: AttachedDevice;
  readonly #world: World;

  constructor(
    world: World,
    key: Registered,
    options: Partial<AttachedOptions> = {},
    more: IClientOptions = {},
  ) {
    this.#world = world;
    this.client = mqtt.connect(world.platform.mqttsUrl, {
      ...signIn(key),
      ca: world.platform.ca,
      reconnectPeriod: 1,
      ...more,
    });
    const { productKey, deviceName } = key;
    const fetch = { ca: world.platform.ca, ...quick };
    this.device = attachMqttJs(this.client, { productKey, deviceName, fetch, ...options });
  }

  /** Reports a version, and waits until the platform has heard it. */
  async report(version: string): Promise<void> {
    const heard = this.#world.platform.waitFor(
      'version-reported',
      (event) => event.version === version,
    );
    await this.device.ota.reportVersion(version);
    await heard;
  }

  async start(protocol?: 'https' | 'mqtt', data = image): Promise<string> {
    const firmware = await this.#world.store(data);
    const { id } = await this.#world.platform.upgrades.start({
      firmwareId: firmware.id,
      devices: [this.device.deviceName],
      ...(protocol && { protocol }),
    });
    return id;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.device.close();
    await this.client.endAsync();
  }
}

async function statesUntil(
  device: AttachedDevice,
  last: (change: StateChange) => boolean,
): Promise<StateChange[]> {
  const seen: StateChange[] = [];
  for await (const change of device.states()) {
    seen.push(change);
    if (last(change)) break;
  }
  return seen;
}

function nextMessage(client: MqttClient): Promise<readonly [topic: string, payload: string]> {
  return new Promise((resolve) =>
    client.once('message', (topic, payload) => resolve([topic, payload.toString()])),
  );
}

async function expectWhole(target: string): Promise<void> {
  expect(image.equals(await readFile(target))).toBe(true);
}

test.each(['https', 'mqtt'] as const)('a whole update, %s', async (protocol) => {
  await using world = await World.open();
  await using program = new Program(world, await world.register());
  await program.report('1.0.0');
  const id = await program.start(protocol);
  const upgrade = await program.device.ota.nextUpgrade();
  expect(upgrade).toMatchObject({ version: '2.0.0', size: image.length });
  await upgrade.download(world.path('a.bin'));
  await expectWhole(world.path('a.bin'));
  await program.report('2.0.0');
  expect(await world.outcome(id)).toMatchObject({ state: 'succeeded' });
});

test('a configuration is asked for, pushed and answered', async () => {
  await using world = await World.open();
  await using program = new Program(world, await world.register());
  const { config } = program.device;
  const changes = config.changes();
  expect(await config.get()).toBeUndefined();
  const set = (data: string) =>
    world.platform.configs.set({ productKey: PRODUCT_KEY, data, signMethod: 'SHA256' });
  await set('first');
  const pushing = world.platform.configs.push({ productKey: PRODUCT_KEY });
  const { value: pushed } = await changes.next();
  expect(await pushed?.text()).toBe('first');
  await pushed?.accept();
  expect(await pushing).toMatchObject([{ code: 200 }]);
  const { id } = await set('second');
  const asked = await config.get();
  expect(asked).toMatchObject({ configId: id, awaitsAnswer: false });
  expect(await asked?.text()).toBe('second');
});

test('the platform tells what time it is', async () => {
  await using world = await World.open();
  await using program = new Program(world, await world.register());
  const { offset, uncertainty } = await program.device.time();
  expect(Math.abs(offset)).toBeLessThanOrEqual(uncertainty);
});

test('a check finds the upgrade, and nothing once it is done', async () => {
  await using world = await World.open();
  await using program = new Program(world, await world.register());
  await program.report('1.0.0');
  expect(await program.device.ota.check()).toBeUndefined();
  await program.start();
  const upgrade = await program.device.ota.nextUpgrade();
  expect(await program.device.ota.check()).toBe(upgrade);
});

test('an address that the server refuses is renewed over the client', async () => {
  await using world = await World.open({ faults: [{ kind: 'http-expired', times: 1 }] });
  await using program = new Program(world, await world.register());
  await program.report('1.0.0');
  await program.start();
  const upgrade = await program.device.ota.nextUpgrade();
  const renewed = world.platform.waitFor('notice-sent', ({ topic }) => topic.endsWith('get_reply'));
  await upgrade.download(world.path('a.bin'));
  await renewed;
  await expectWhole(world.path('a.bin'));
});

test('after a drop the client connects again, and notices come as before', async () => {
  await using world = await World.open();
  await using program = new Program(world, await world.register());
  await program.report('1.0.0');
  const states = statesUntil(
    program.device,
    (() => {
      let lost = false;
      return ({ state }) => {
        lost ||= state === 'waiting';
        return lost && state === 'connected';
      };
    })(),
  );
  world.platform.faults.set({ kind: 'mqtt-drop', on: 'publish', times: 1 });
  await program.device.ota.reportVersion('1.0.1');
  const seen = await states;
  const lost = seen.find(({ state }) => state === 'waiting');
  expect(lost?.error).toMatchObject({ code: 'ERR_NOT_CONNECTED', retryable: true });
  expect(seen.at(-1)).toEqual({ state: 'connected', error: undefined, needsOperator: false });
  await program.start();
  expect(await program.device.ota.nextUpgrade()).toMatchObject({ version: '2.0.0' });
});

test('a download in blocks goes on over the next connection', async () => {
  await using world = await World.open({
    faults: [{ kind: 'mqtt-drop', on: 'publish', skip: 4, times: 1 }],
  });
  await using program = new Program(world, await world.register());
  await program.report('1.0.0');
  await program.start('mqtt');
  const upgrade = await program.device.ota.nextUpgrade();
  await upgrade.download(world.path('a.bin'));
  await expectWhole(world.path('a.bin'));
});

test('a report made before there is a connection goes out with the first one', async () => {
  await using world = await World.open();
  await using program = new Program(world, await world.register());
  expect(program.device.state).toBe('waiting');
  expect(program.client.connected).toBe(false);
  await expect(program.device.ota.check({ timeout: 60_000 })).resolves.toBeUndefined();
  await program.report('1.0.0');
  expect(program.device.state).toBe('connected');
});

test("the client's other messages and listeners are the program's own", async () => {
  await using world = await World.open();
  await using program = new Program(world, await world.register());
  const { client, device } = program;
  const before = client.listenerCount('message');
  const topic = `/${PRODUCT_KEY}/lamp/user/get`;
  await client.subscribeAsync(topic);
  const refused: IotkitError[] = [];
  device.on('refused', (error) => refused.push(error));
  const heard = nextMessage(client);
  await client.publishAsync(topic, 'own');
  expect(await heard).toEqual([topic, 'own']);
  expect(refused).toEqual([]);

  const unsubscribed: string[] = [];
  client.on('packetsend', (packet) => {
    if (packet.cmd === 'unsubscribe') unsubscribed.push(...packet.unsubscriptions);
  });
  await program.report('1.0.0');
  await device.close();
  expect(device.state).toBe('closed');
  expect(client.connected).toBe(true);
  expect(client.listenerCount('message')).toBe(before - 1);
  expect(unsubscribed.sort()).toEqual([
    `/ota/device/request/${PRODUCT_KEY}/lamp`,
    `/ota/device/upgrade/${PRODUCT_KEY}/lamp`,
    `/sys/${PRODUCT_KEY}/lamp/thing/ota/firmware/get_reply`,
  ]);
  const again = nextMessage(client);
  await client.publishAsync(topic, 'still');
  expect(await again).toEqual([topic, 'still']);
});

test('closing cancels a download in blocks, and leaves nothing behind', async () => {
  const before = stats();
  {
    await using world = await World.open({ faults: [{ kind: 'mqtt-block-lost' }] });
    await using program = new Program(world, await world.register());
    await program.report('1.0.0');
    await program.start('mqtt');
    const upgrade = await program.device.ota.nextUpgrade();
    const blocks = world.platform.waitFor('block-requested');
    const failed = expect(upgrade.download(world.path('a.bin'))).rejects.toMatchObject({
      code: 'ERR_CLOSED',
    });
    await blocks;
    await program.device.close();
    await failed;
    await expect(program.device.ota.reportVersion('1')).rejects.toMatchObject({
      code: 'ERR_CLOSED',
    });
  }
  expect(stats()).toMatchObject({ threads: before.threads, holds: before.holds });
});

type Answer = readonly [error: Error | null, granted: { qos: number }[]];

/** Answers subscriptions as one version or another of MQTT.js does. */
class Refusing extends EventEmitter {
  readonly connected = true;
  readonly #answer: Answer;

  constructor(answer: Answer) {
    super();
    this.#answer = answer;
  }

  publish(_topic: string, _payload: Buffer, _options: object, done: (error?: Error) => void): void {
    done();
  }

  subscribe(
    _topic: string,
    _options: object,
    done: (error: Error | null, granted?: { qos: number }[]) => void,
  ): void {
    done(...this.#answer);
  }

  unsubscribe(_topic: string, done: () => void): void {
    done();
  }
}

const answers: ReadonlyArray<readonly [version: string, answer: Answer, said: string]> = [
  ['4', [null, [{ qos: 128 }]], 'refused by the broker'],
  ['5', [new Error('Unspecified error'), []], 'Unspecified error'],
];

test.each(answers)('a refused subscription, as version %s tells it', async (_, answer, said) => {
  const client = new Refusing(answer);
  await using device = attachMqttJs(client, { productKey: PRODUCT_KEY, deviceName: 'lamp' });
  const refused = await new Promise<IotkitError>((resolve) => device.on('refused', resolve));
  expect(refused).toMatchObject({
    code: 'ERR_MQTT_SUBSCRIBE',
    detail: expect.stringContaining(said),
  });
  expect(device).toMatchObject({ state: 'connected', error: { code: 'ERR_MQTT_SUBSCRIBE' } });
});

test('what is no client of MQTT.js is refused by what it lacks', () => {
  const names = { productKey: PRODUCT_KEY, deviceName: 'lamp' };
  const no = (client: unknown) => () => attachMqttJs(client as MqttClient, names);
  expect(no(undefined)).toThrow('client must be a client of MQTT.js, got undefined');
  expect(no({ publish: () => {} })).toThrow('client.subscribe must be a function');
});
