import { appendFileSync, writeFileSync } from 'node:fs';
import * as sdk from 'iotkit-ota/sdk';
import type { Backend } from './run';
import type { Arg, Event, Reply } from './scenario';

const FILL = 0xaa;
const GUARD = 8;
const SHOWN = 128;
const TEXT = 1024;

type Handle = sdk.MqttHandle | sdk.OtaHandle;

/** The addon, called through iotkit-ota/sdk in this process. */
export class Sdk implements Backend {
  readonly events: Event[] = [];
  readonly #handles = new Map<string, Handle | null>();
  #saved: { readonly name: string; readonly path: string } | undefined;

  async call(fn: string, args: readonly Arg[]): Promise<Reply> {
    const made = makers[fn];
    if (made) {
      const handle = await made(this.#take(args.slice(1)), this.#eventsOf(nameOf(args[0])));
      this.#handles.set(nameOf(args[0]), handle);
      return { ret: handle === null ? 'NULL' : 'handle' };
    }
    if (fn === 'save') return this.#save(nameOf(args[0]), args[1] as string);
    const values = this.#take(args);
    const run = functions[fn];
    if (!run) throw new Error(`${fn} is not known`);
    const ret = await run(values, (on) => this.#eventsOf(on));
    if (fn === 'IOT_OTA_FetchYield' && ret > 0)
      this.#keep(nameOf(args[0]), values[1] as Uint8Array, ret);
    return this.#reply(fn, ret, args, values);
  }

  /** Closes what a scenario has left open. */
  async close(): Promise<void> {
    for (const handle of this.#handles.values()) {
      if (handle instanceof Object && isOta(handle)) await sdk.IOT_OTA_Deinit(handle);
    }
    for (const handle of this.#handles.values()) {
      if (handle instanceof Object && !isOta(handle)) await sdk.IOT_MQTT_Destroy(handle);
    }
  }

  #take(args: readonly Arg[]): Value[] {
    return args.map((arg) => {
      if (arg === null || typeof arg !== 'object') return arg;
      if ('handle' in arg) return this.#handles.get(arg.handle) ?? null;
      if ('buffer' in arg) return memory(arg.buffer, arg.at ?? 0);
      return memory(arg.length ?? SHOWN, 0);
    });
  }

  #reply(fn: string, ret: number, args: readonly Arg[], values: readonly Value[]): Reply {
    const at = args.findIndex((arg) => arg !== null && typeof arg === 'object' && 'buffer' in arg);
    const pointer = args.findIndex(
      (arg) => arg !== null && typeof arg === 'object' && 'pointer' in arg,
    );
    if (pointer >= 0)
      return { ret, pointer: ret === 0 ? textIn(values[pointer] as Uint8Array) : null };
    if (at < 0) return { ret };
    const bytes = values[at] as Uint8Array;
    const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length + GUARD);
    const touched = all.findLastIndex((byte) => byte !== FILL);
    if (fn === 'IOT_OTA_FetchYield' && ret > 0) {
      return { ret, hash: fnv1a(bytes.subarray(0, ret)), within: touched < ret };
    }
    return { ret, touched, bytes: all.subarray(0, Math.min(touched + 1, SHOWN)).toString('hex') };
  }

  #save(name: string, path: string): Reply {
    this.#saved = { name, path };
    if (path !== '/dev/null') writeFileSync(path, '');
    return { ret: 0 };
  }

  #keep(name: string, bytes: Uint8Array, length: number): void {
    if (this.#saved?.name === name) appendFileSync(this.#saved.path, bytes.subarray(0, length));
  }

  #eventsOf(on: string): Listener {
    return {
      mqtt: (_context, _handle, { event_type, msg }) => {
        if (typeof msg !== 'object') {
          this.events.push({ on, type: event_type });
          return;
        }
        this.events.push({
          on,
          type: event_type,
          qos: msg.qos,
          dup: msg.dup,
          retain: msg.retain,
          topic: Buffer.from(msg.ptopic).subarray(0, 128).toString('hex'),
          len: msg.payload_len,
          payload: msg.payload.subarray(0, TEXT).toString('hex'),
        });
      },
      value: (value) => this.events.push({ value }),
      setup: ({ port, host_name, client_id, username, password, pub_key }) => {
        const all = [port, host_name, client_id, username, password, pub_key ?? 'NULL'];
        this.events.push({ setup: all.join(' ') });
      },
      pushed: (handle) => {
        const name = [...this.#handles].find(([, known]) => known === handle)?.[0] ?? '';
        this.events.push({ on: name, type: 'pushed' });
        return 0;
      },
    };
  }
}

interface Listener {
  readonly value: (value: number) => void;
  readonly setup: (info: sdk.iotx_conn_info_t) => void;
  readonly mqtt: sdk.TopicHandler<unknown>;
  readonly pushed: (handle: sdk.OtaHandle) => number;
}

type Value = string | number | null | Handle | Uint8Array;
type Run = (args: readonly Value[], events: (on: string) => Listener) => number | Promise<number>;
type Make = (args: readonly Value[], events: Listener) => Handle | null | Promise<Handle | null>;

const isOta = (handle: Handle): handle is sdk.OtaHandle => handle.constructor.name === 'OtaHandle';

const nameOf = (arg: Arg | undefined): string =>
  arg !== null && typeof arg === 'object' && 'handle' in arg ? arg.handle : '';

function memory(length: number, at: number): Uint8Array {
  const all = new Uint8Array(new ArrayBuffer(at + length + GUARD)).fill(FILL);
  return all.subarray(at, at + length);
}

function textIn(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(bytes.subarray(0, end < 0 ? bytes.length : end)).toString('hex');
}

export function fnv1a(bytes: Uint8Array): number {
  let hash = 2166136261;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 16777619);
  return hash >>> 0;
}

// Packet ids are unlike from run to run: any is 1.
const idOrError = (returned: number): number => Math.min(returned, 1);

// The runner gives each function what it takes; what its types forbid is what some scenarios try.
const like =
  <Args extends readonly unknown[]>(run: (...args: Args) => number | Promise<number>): Run =>
  (args) =>
    run(...(args as unknown as Args));

const id =
  <Args extends readonly unknown[]>(run: (...args: Args) => number): Run =>
  (args) =>
    idOrError(run(...(args as unknown as Args)));

type Client = sdk.MqttHandle | null;
type Text = string | null;

const makers: Readonly<Record<string, Make>> = {
  IOT_MQTT_Construct: (args, events) => {
    const [host, port, client_id, username, password] = args as [string, number, ...string[]];
    const [clean, timeout, keepAlive, write, read] = args.slice(5) as number[];
    return sdk.IOT_MQTT_Construct({
      host,
      port,
      client_id: client_id ?? null,
      username: username ?? null,
      password: password ?? null,
      pub_key: null,
      clean_session: clean ?? 0,
      request_timeout_ms: timeout ?? 0,
      keepalive_interval_ms: keepAlive ?? 0,
      write_buf_size: write ?? 0,
      read_buf_size: read ?? 0,
      handle_event: { h_fp: events.mqtt },
    });
  },
  IOT_OTA_Init: (args) => sdk.IOT_OTA_Init(...(args as [Text, Text, Client])),
};

const functions: Readonly<Record<string, Run>> = {
  IOT_MQTT_Destroy: like(sdk.IOT_MQTT_Destroy),
  'IOT_MQTT_Destroy(NULL)': () => sdk.IOT_MQTT_Destroy(null),
  IOT_MQTT_Yield: like(sdk.IOT_MQTT_Yield),
  IOT_MQTT_CheckStateNormal: like(sdk.IOT_MQTT_CheckStateNormal),
  IOT_MQTT_Subscribe: (args, events) => {
    const [handle, filter, qos, has] = args as [Client, Text, sdk.iotx_mqtt_qos_t, number];
    return idOrError(
      sdk.IOT_MQTT_Subscribe(handle, filter, qos, has ? events(filter ?? '').mqtt : null),
    );
  },
  IOT_MQTT_Subscribe_Sync: async (args, events) => {
    const [handle, filter, qos, has, ms] = args as [
      Client,
      Text,
      sdk.iotx_mqtt_qos_t,
      number,
      number,
    ];
    const handler = has ? events(filter ?? '').mqtt : null;
    return idOrError(
      await sdk.IOT_MQTT_Subscribe_Sync(handle, filter, qos, handler, undefined, ms),
    );
  },
  IOT_MQTT_Unsubscribe: id(sdk.IOT_MQTT_Unsubscribe),
  IOT_MQTT_Publish: (args) => {
    const [handle, topic, qos, retain, payload] = args as [
      Client,
      Text,
      sdk.iotx_mqtt_qos_t,
      number,
      Text,
    ];
    return idOrError(sdk.IOT_MQTT_Publish(handle, topic, { qos, retain, payload }));
  },
  'IOT_MQTT_Publish(NULL)': ([handle, topic]) =>
    idOrError(sdk.IOT_MQTT_Publish(handle as Client, topic as Text, null)),
  IOT_MQTT_Publish_Simple: id(sdk.IOT_MQTT_Publish_Simple),
  IOT_SetupConnInfo: ([productKey, deviceName, secret, has], events) => {
    const [ret, info] = sdk.IOT_SetupConnInfo(
      productKey as Text,
      deviceName as Text,
      secret as Text,
    );
    if (has && info) events('').setup(info);
    return ret;
  },
  IOT_Ioctl: ([option, value], events) => {
    const data = new Int32Array([value as number]);
    const ret = sdk.IOT_Ioctl(option as sdk.iotx_ioctl_option_t, data);
    events('').value(data[0] ?? 0);
    return ret;
  },
  'IOT_Ioctl(text)': like(sdk.IOT_Ioctl),
  IOT_OTA_Deinit: like(sdk.IOT_OTA_Deinit),
  IOT_OTA_ReportVersion: like(sdk.IOT_OTA_ReportVersion),
  IOT_OTA_ReportProgress: like(sdk.IOT_OTA_ReportProgress),
  IOT_OTA_IsFetching: like(sdk.IOT_OTA_IsFetching),
  IOT_OTA_IsFetchFinish: like(sdk.IOT_OTA_IsFetchFinish),
  IOT_OTA_GetLastError: like(sdk.IOT_OTA_GetLastError),
  IOT_OTA_FetchYield: like(sdk.IOT_OTA_FetchYield),
  IOT_OTA_Ioctl: like(sdk.IOT_OTA_Ioctl),
  IOT_OTA_SetOnPushedCallback: ([handle, has], events) =>
    sdk.IOT_OTA_SetOnPushedCallback(handle as sdk.OtaHandle | null, has ? events('').pushed : null),
  iotx_req_image: like(sdk.iotx_req_image),
  iotx_ota_get_config: like(sdk.iotx_ota_get_config),
};
