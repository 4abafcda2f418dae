import {
  FAIL_RETURN,
  IOT_MQTT_CheckStateNormal,
  IOT_MQTT_Construct,
  IOT_MQTT_Destroy,
  IOT_MQTT_Publish,
  IOT_MQTT_Publish_Simple,
  IOT_MQTT_Subscribe,
  IOT_MQTT_Subscribe_Sync,
  IOT_MQTT_Unsubscribe,
  IOT_MQTT_Yield,
  IOT_OTA_Init,
  IOTX_MQTT_EVENT_BUFFER_OVERFLOW,
  IOTX_MQTT_EVENT_DISCONNECT,
  IOTX_MQTT_EVENT_PUBLISH_RECEIVED,
  IOTX_MQTT_EVENT_PUBLISH_SUCCESS,
  IOTX_MQTT_EVENT_RECONNECT,
  IOTX_MQTT_EVENT_SUBCRIBE_NACK,
  IOTX_MQTT_EVENT_SUBCRIBE_SUCCESS,
  IOTX_MQTT_EVENT_UNSUBCRIBE_SUCCESS,
  IOTX_MQTT_QOS0,
  IOTX_MQTT_QOS1,
  type iotx_mqtt_event_msg_t,
  type MqttHandle,
  NULL_VALUE_ERROR,
  type PublishMessage,
} from 'iotkit-ota/sdk';
import { addonThreads } from '../support/threads';
import { PRODUCT_KEY, SdkWorld, yieldUntil } from './support';

// A device may publish and subscribe below its own names: the broker sends it its own messages
// back.
const topic = (name: string) => `/${PRODUCT_KEY}/lamp/${name}`;

interface Echo {
  readonly mqtt: MqttHandle;
  /** Events of handle_event. */
  readonly events: iotx_mqtt_event_msg_t[];
}

async function connect(world: SdkWorld, more = {}): Promise<Echo> {
  const events: iotx_mqtt_event_msg_t[] = [];
  const handle_event = {
    h_fp: (context: unknown, _client: MqttHandle, event: iotx_mqtt_event_msg_t) => {
      expect(context).toBe('context');
      events.push(event);
    },
    pcontext: 'context',
  };
  const mqtt = await world.connect(await world.register(), { handle_event, ...more });
  return { mqtt, events };
}

const has = (events: iotx_mqtt_event_msg_t[], type: number) =>
  events.some(({ event_type }) => event_type === type);

const bodyOf = (event: iotx_mqtt_event_msg_t): string =>
  event.event_type === IOTX_MQTT_EVENT_PUBLISH_RECEIVED ? event.msg.payload.toString() : '';

describe('messages', () => {
  test('are published, received and told with all they carry', async () => {
    await using world = await SdkWorld.open();
    const { mqtt, events } = await connect(world);
    const told: unknown[] = [];
    const handler = (...args: unknown[]) => told.push(args);
    const id = await IOT_MQTT_Subscribe_Sync(mqtt, topic('in'), IOTX_MQTT_QOS1, handler, 42, 5000);
    expect(id).toBeGreaterThan(0);
    expect(events).toEqual([{ event_type: IOTX_MQTT_EVENT_SUBCRIBE_SUCCESS, msg: id }]);

    const message: PublishMessage = { qos: IOTX_MQTT_QOS1, payload: 'grüße' };
    const published = IOT_MQTT_Publish(mqtt, topic('in'), message);
    expect(published).toBeGreaterThan(0);
    expect(message.packet_id).toBe(published);
    await yieldUntil(mqtt, () => told.length === 1);
    const payload = Buffer.from('grüße');
    expect(told).toEqual([
      [
        42,
        mqtt,
        {
          event_type: IOTX_MQTT_EVENT_PUBLISH_RECEIVED,
          msg: {
            packet_id: expect.any(Number),
            qos: 1,
            dup: 0,
            retain: 0,
            topic_len: topic('in').length,
            payload_len: payload.length,
            ptopic: topic('in'),
            payload,
          },
        },
      ],
    ]);
    await yieldUntil(mqtt, () => has(events, IOTX_MQTT_EVENT_PUBLISH_SUCCESS));
    expect(events).toContainEqual({ event_type: IOTX_MQTT_EVENT_PUBLISH_SUCCESS, msg: published });
  });

  test('of any bytes, empty and large ones', async () => {
    await using world = await SdkWorld.open();
    const { mqtt } = await connect(world);
    const bodies = [new Uint8Array(0), Uint8Array.of(0, 255, 0), new Uint8Array(200_000).fill(7)];
    const received: Buffer[] = [];
    const handler = (_: unknown, __: MqttHandle, event: iotx_mqtt_event_msg_t) => {
      if (event.event_type === IOTX_MQTT_EVENT_PUBLISH_RECEIVED) received.push(event.msg.payload);
    };
    await IOT_MQTT_Subscribe_Sync(mqtt, topic('+'), IOTX_MQTT_QOS0, handler, null, 5000);
    for (const body of bodies) {
      expect(IOT_MQTT_Publish_Simple(mqtt, topic('x'), IOTX_MQTT_QOS0, body)).toBe(0);
    }
    await yieldUntil(mqtt, () => received.length === bodies.length);
    expect(
      received.map((body) => body.equals(bodies[received.indexOf(body)] as Uint8Array)),
    ).toEqual([true, true, true]);
    expect(IOT_MQTT_Publish_Simple(mqtt, topic('x'), 0, new Uint8Array(300_000))).toBe(-1);
    expect(IOT_MQTT_Publish(mqtt, topic('x'), { qos: 0, payload: new Uint8Array(300_000) })).toBe(
      -21,
    );
  });

  test('are copied when they are published: their memory may be given away at once', async () => {
    await using world = await SdkWorld.open();
    const { mqtt } = await connect(world);
    const received: Buffer[] = [];
    const handler = (_: unknown, __: MqttHandle, event: iotx_mqtt_event_msg_t) => {
      if (event.event_type === IOTX_MQTT_EVENT_PUBLISH_RECEIVED) received.push(event.msg.payload);
    };
    await IOT_MQTT_Subscribe_Sync(mqtt, topic('+'), IOTX_MQTT_QOS1, handler, null, 5000);
    for (const publish of [
      (body: Uint8Array) => IOT_MQTT_Publish(mqtt, topic('x'), { qos: 1, payload: body }),
      (body: Uint8Array) => IOT_MQTT_Publish_Simple(mqtt, topic('x'), IOTX_MQTT_QOS1, body),
    ]) {
      const own = new Uint8Array(200_000).fill(7);
      expect(publish(own)).toBeGreaterThanOrEqual(0);
      structuredClone(own, { transfer: [own.buffer] });
      const shared = new Uint8Array(new SharedArrayBuffer(200_000)).fill(7);
      expect(publish(shared)).toBeGreaterThanOrEqual(0);
      shared.fill(8);
    }
    await yieldUntil(mqtt, () => received.length === 4);
    const body = Buffer.alloc(200_000, 7);
    expect(received.map((payload) => payload.equals(body))).toEqual([true, true, true, true]);
  });

  test('come in order, and all of a yield before it resolves', async () => {
    await using world = await SdkWorld.open();
    const { mqtt } = await connect(world);
    const log: string[] = [];
    const handler = (_: unknown, __: MqttHandle, event: iotx_mqtt_event_msg_t) =>
      log.push(bodyOf(event));
    await IOT_MQTT_Subscribe_Sync(mqtt, topic('in'), IOTX_MQTT_QOS0, handler, null, 5000);
    const bodies = Array.from({ length: 50 }, (_, i) => `${i}`);
    for (const body of bodies) IOT_MQTT_Publish_Simple(mqtt, topic('in'), IOTX_MQTT_QOS0, body);
    let seen = 0;
    while (log.length < bodies.length) {
      await IOT_MQTT_Yield(mqtt, 5000);
      seen = log.length;
      await new Promise(setImmediate);
      expect(log.length).toBe(seen); // nothing is told later
    }
    expect(log).toEqual(bodies);
  });

  test('that no function takes go to handle_event, too large ones are told of', async () => {
    await using world = await SdkWorld.open();
    const { mqtt, events } = await connect(world, { read_buf_size: 1024, write_buf_size: 4096 });
    const handler = () => {};
    await IOT_MQTT_Subscribe_Sync(mqtt, topic('in'), IOTX_MQTT_QOS0, handler, null, 5000);
    IOT_MQTT_Publish_Simple(mqtt, topic('in'), IOTX_MQTT_QOS0, new Uint8Array(2000));
    await yieldUntil(mqtt, () => has(events, IOTX_MQTT_EVENT_BUFFER_OVERFLOW));
    const event = events.find(({ event_type }) => event_type === IOTX_MQTT_EVENT_BUFFER_OVERFLOW);
    expect(event?.msg).toEqual(expect.any(String));
  });
});

describe('null as a handle', () => {
  test('means the only open one', async () => {
    await using world = await SdkWorld.open();
    const body: PublishMessage = { qos: IOTX_MQTT_QOS0, payload: 'x' };
    const nobody = () => {
      expect(IOT_MQTT_CheckStateNormal(null)).toBe(0);
      expect(IOT_MQTT_Publish(null, topic('in'), body)).toBe(NULL_VALUE_ERROR);
      expect(IOT_MQTT_Publish_Simple(null, topic('in'), 0, 'x')).toBe(FAIL_RETURN);
      expect(IOT_MQTT_Unsubscribe(null, topic('in'))).toBe(NULL_VALUE_ERROR);
    };
    nobody();
    expect(await IOT_MQTT_Yield(null, 1)).toBe(NULL_VALUE_ERROR);
    const { mqtt } = await connect(world);
    const log: unknown[] = [];
    const handler = (_: unknown, client: MqttHandle) => log.push(client);
    expect(IOT_MQTT_CheckStateNormal(null)).toBe(1);
    expect(await IOT_MQTT_Subscribe_Sync(null, topic('in'), 0, handler, 1, 5000)).toBeGreaterThan(
      0,
    );
    expect(IOT_MQTT_Subscribe(null, topic('in'), 0, handler, 2)).toBeGreaterThan(0);
    expect(IOT_MQTT_Publish(null, topic('in'), body)).toBe(0);
    expect(IOT_MQTT_Publish_Simple(null, topic('in'), 0, 'x')).toBe(0);
    await yieldUntil(null, () => log.length === 4);
    expect(log).toEqual([mqtt, mqtt, mqtt, mqtt]);
    expect(IOT_MQTT_Unsubscribe(null, topic('in'))).toBeGreaterThan(0);
    expect(IOT_OTA_Init(PRODUCT_KEY, 'lamp', null)).toBeNull();
    expect(await IOT_MQTT_Destroy(null)).toBe(NULL_VALUE_ERROR);

    const other = await world.connect(await world.register('other'));
    nobody();
    expect(await IOT_MQTT_Destroy(mqtt)).toBe(0);
    expect(IOT_MQTT_CheckStateNormal(null)).toBe(1);
    expect(IOT_MQTT_CheckStateNormal(mqtt)).toBe(1); // destroyed: like null
    expect(await IOT_MQTT_Destroy(other)).toBe(0);
    nobody();
  });
});

describe('subscriptions', () => {
  test('one function and context is one, others are others, and unsubscribing removes all', async () => {
    await using world = await SdkWorld.open();
    const { mqtt, events } = await connect(world);
    const log: unknown[] = [];
    const handler = (context: unknown) => log.push(context);
    for (const context of ['a', 'b', 'a', 'a']) {
      expect(
        await IOT_MQTT_Subscribe_Sync(mqtt, topic('in'), IOTX_MQTT_QOS0, handler, context, 5000),
      ).toBeGreaterThan(0);
    }
    IOT_MQTT_Publish_Simple(mqtt, topic('in'), IOTX_MQTT_QOS0, 'x');
    await yieldUntil(mqtt, () => log.length >= 2);
    expect(log.sort()).toEqual(['a', 'b']);

    expect(IOT_MQTT_Unsubscribe(mqtt, topic('in'))).toBeGreaterThan(0);
    await yieldUntil(mqtt, () => has(events, IOTX_MQTT_EVENT_UNSUBCRIBE_SUCCESS));
    // The broker is asked again: an earlier process may have subscribed it.
    const again = IOT_MQTT_Unsubscribe(mqtt, topic('in'));
    expect(again).toBeGreaterThan(0);
    await yieldUntil(mqtt, () => events.some(({ msg }) => msg === again));
    const id = IOT_MQTT_Subscribe(mqtt, topic('in'), IOTX_MQTT_QOS0, handler, 'c');
    expect(id).toBeGreaterThan(0);
    IOT_MQTT_Publish_Simple(mqtt, topic('in'), IOTX_MQTT_QOS0, 'x');
    await yieldUntil(mqtt, () => log.length >= 3);
    expect(log).toEqual(['a', 'b', 'c']);
  });

  test('a function is not called after its subscription was removed, even for what has arrived', async () => {
    await using world = await SdkWorld.open();
    const { mqtt } = await connect(world);
    const log: string[] = [];
    const handler = (_: unknown, client: MqttHandle, event: iotx_mqtt_event_msg_t) => {
      log.push(bodyOf(event));
      IOT_MQTT_Unsubscribe(client, topic('in'));
    };
    await IOT_MQTT_Subscribe_Sync(mqtt, topic('in'), IOTX_MQTT_QOS0, handler, null, 5000);
    for (const body of ['1', '2', '3']) IOT_MQTT_Publish_Simple(mqtt, topic('in'), 0, body);
    let over = false;
    await IOT_MQTT_Subscribe_Sync(mqtt, topic('end'), 0, () => (over = true), null, 5000);
    IOT_MQTT_Publish_Simple(mqtt, topic('end'), IOTX_MQTT_QOS0, '');
    await yieldUntil(mqtt, () => over);
    expect(log).toEqual(['1']);
  });

  test('a refused one is told, and fails when waited for', async () => {
    await using world = await SdkWorld.open();
    const { mqtt, events } = await connect(world);
    const foreign = `/${PRODUCT_KEY}/other/in`;
    const result = await IOT_MQTT_Subscribe_Sync(
      mqtt,
      foreign,
      IOTX_MQTT_QOS0,
      () => {},
      null,
      5000,
    );
    expect(result).toBe(-1);
    expect(has(events, IOTX_MQTT_EVENT_SUBCRIBE_NACK)).toBe(true);
  });
});

describe('a connection', () => {
  test('that drops is told and restored, its subscriptions too', async () => {
    await using world = await SdkWorld.open();
    const { mqtt, events } = await connect(world);
    const log: string[] = [];
    const handler = (_: unknown, __: MqttHandle, event: iotx_mqtt_event_msg_t) =>
      log.push(bodyOf(event));
    await IOT_MQTT_Subscribe_Sync(mqtt, topic('in'), IOTX_MQTT_QOS0, handler, null, 5000);
    world.platform.devices.disconnect({ productKey: PRODUCT_KEY, deviceName: 'lamp' });
    await yieldUntil(mqtt, () => has(events, IOTX_MQTT_EVENT_DISCONNECT));
    expect(IOT_MQTT_CheckStateNormal(mqtt)).toBe(0);
    expect(IOT_MQTT_Publish_Simple(mqtt, topic('in'), IOTX_MQTT_QOS0, 'lost')).toBe(-1);
    await yieldUntil(mqtt, () => has(events, IOTX_MQTT_EVENT_RECONNECT));
    expect(IOT_MQTT_CheckStateNormal(mqtt)).toBe(1);
    const back = events.findIndex(({ event_type }) => event_type === IOTX_MQTT_EVENT_RECONNECT);
    await yieldUntil(mqtt, () => has(events.slice(back), IOTX_MQTT_EVENT_SUBCRIBE_SUCCESS));
    IOT_MQTT_Publish_Simple(mqtt, topic('in'), IOTX_MQTT_QOS0, 'back');
    await yieldUntil(mqtt, () => log.length > 0);
    expect(log).toEqual(['back']);
  });

  test('is closed while it yields, waits for an answer and is yielded again', async () => {
    await using world = await SdkWorld.open();
    const { mqtt } = await connect(world);
    const calls = [
      IOT_MQTT_Yield(mqtt, 3_600_000),
      IOT_MQTT_Yield(mqtt, 3_600_000),
      IOT_MQTT_Subscribe_Sync(mqtt, topic('in'), IOTX_MQTT_QOS0, () => {}, null, 3_600_000),
    ];
    expect(await IOT_MQTT_Destroy(mqtt)).toBe(0);
    expect(await Promise.all(calls)).toEqual([0, 0, -1]);
    expect(addonThreads()).toEqual([]);
  });

  test('is given up by its end', async () => {
    await using world = await SdkWorld.open();
    const { mqtt } = await connect(world);
    const over = world.platform.waitFor('device-disconnected');
    expect(await IOT_MQTT_Destroy(mqtt)).toBe(0);
    await over;
  });

  test('has one thread for any number of calls, and many connections have one each', async () => {
    await using world = await SdkWorld.open();
    const keys = await Promise.all(['a', 'b', 'c'].map((name) => world.register(name)));
    const handles = await Promise.all(keys.map((key) => world.connect(key)));
    await Promise.all(handles.flatMap((handle) => [1, 2, 3].map(() => IOT_MQTT_Yield(handle, 0))));
    expect(addonThreads()).toEqual(['iotkit-sdk', 'iotkit-sdk', 'iotkit-sdk']);
  });

  test('that was refused leaves no thread', async () => {
    await using world = await SdkWorld.open();
    const params = world.params(await world.register());
    expect(await IOT_MQTT_Construct({ ...params, password: 'wrong' })).toBeNull();
    expect(addonThreads()).toEqual([]);
  });
});
