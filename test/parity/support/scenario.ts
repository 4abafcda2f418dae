import type { BrokerScript } from './broker';
import type { Answer } from './server';

/**
 * An argument of a call: text, number, NULL, a handle by its name, a buffer, or a pointer that the
 * call sets.
 */
export type Arg =
  | string
  | number
  | null
  | { readonly handle: string }
  | { readonly buffer: number; readonly at?: number }
  | { readonly pointer: 'NULL' | 'taken'; readonly length?: number };

/**
 * What a call answers. Of a buffer: the bytes that were touched, or a hash of those that it was
 * said to hold.
 */
export interface Reply {
  readonly ret: number | 'handle' | 'NULL';
  readonly touched?: number;
  readonly bytes?: string;
  readonly hash?: number;
  /** Nothing behind what the call says it filled was touched. */
  readonly within?: boolean;
  readonly pointer?: string | null;
}

/** A callback, or what a call inside of one answered. */
export type Event = Readonly<Record<string, unknown>>;

/** What the client is yielded for. */
export type Until =
  | { readonly subscribed: string }
  | { readonly acked: number }
  | { readonly completed: number }
  | { readonly published: string; readonly count: number }
  | { readonly fetching: string }
  | { readonly connected: boolean }
  | { readonly connections: number }
  | { readonly settled: true };

export interface Call {
  readonly call: string;
  readonly args: readonly Arg[];
  readonly expect?: number | string;
}

/**
 * The documented loop, to its end or `limit` rounds; keeps what comes under the scenario's file.
 */
export interface Fetch {
  readonly fetch: string;
  readonly client: string;
  readonly buffer: number;
  readonly timeout: number;
  readonly limit?: number;
}

export type Step =
  | Call
  | Fetch
  /** Yields `client` until the broker or the device has come to that. */
  | { readonly until: Until; readonly client: string }
  | { readonly push: string; readonly topic: string; readonly qos: number }
  | { readonly broker: 'drop' | 'raw'; readonly hex?: string };

export interface Scenario {
  readonly name: string;
  /** Bytes of the firmware. Default 20,000. */
  readonly size?: number;
  readonly broker?: BrokerScript;
  readonly answers?: Readonly<Record<string, readonly Answer[]>>;
  /** `data` of the reply when the device asks for its upgrade. Default: there is none. */
  readonly upgrade?: string;
  readonly steps: readonly Step[];
  /** Whether what was fetched must be the firmware; default: it is not looked at. */
  readonly whole?: boolean;
  /**
   * Left to the C library: calls inside its callbacks, which TypeScript hears of when they have
   * returned.
   */
  readonly only?: 'c';
  /** It is about every handle there is: no other scenario runs beside it. */
  readonly alone?: true;
}

export const PRODUCT_KEY = 'a1OracleKey';
export const DEVICE_NAME = 'oracledev1';
export const topics = (deviceName = DEVICE_NAME) => ({
  inform: `/ota/device/inform/${PRODUCT_KEY}/${deviceName}`,
  progress: `/ota/device/progress/${PRODUCT_KEY}/${deviceName}`,
  upgrade: `/ota/device/upgrade/${PRODUCT_KEY}/${deviceName}`,
  request: `/ota/device/request/${PRODUCT_KEY}/${deviceName}`,
  configGet: `/sys/${PRODUCT_KEY}/${deviceName}/thing/config/get`,
  configReply: `/sys/${PRODUCT_KEY}/${deviceName}/thing/config/get_reply`,
  configPush: `/sys/${PRODUCT_KEY}/${deviceName}/thing/config/push`,
  configPushReply: `/sys/${PRODUCT_KEY}/${deviceName}/thing/config/push_reply`,
});

/** Numbers of IOT_OTA_CmdType_t. */
export const ioctl = {
  COTA_CONFIG_ID: 0,
  COTA_CONFIG_SIZE: 1,
  COTA_SIGN: 2,
  COTA_SIGN_METHOD: 3,
  COTA_URL: 4,
  COTA_GETTYPE: 5,
  OTA_TYPE: 6,
  FETCHED_SIZE: 7,
  FILE_SIZE: 8,
  MD5SUM: 9,
  VERSION: 10,
  CHECK_FIRMWARE: 11,
  CHECK_CONFIG: 12,
  RESET_FETCHED_SIZE: 13,
  MODULE: 14,
  RESET_STATE: 15,
} as const;

// --- steps ---

export const h = (handle: string): Arg => ({ handle });
export const buffer = (length: number, at = 0): Arg => ({ buffer: length, at });

/** A call; a text that begins with @ is a handle. */
export function call(fn: string, ...args: readonly Arg[]): Step {
  return { call: fn, args: args.map(named) };
}

/** A call whose return value is known. */
export function expectCall(expect: number | string, fn: string, ...args: readonly Arg[]): Step {
  return { call: fn, args: args.map(named), expect };
}

const named = (arg: Arg): Arg =>
  typeof arg === 'string' && /^@\w+$/.test(arg) ? { handle: arg.slice(1) } : arg;

/**
 * Connects `client`; `{mqtt}` is the broker's port. Requests have the longest time that there is, for a
 * machine that is busy.
 */
export const construct = (
  client = 'mqtt',
  options: Partial<Record<'clean' | 'timeout' | 'keepAlive' | 'write' | 'read', number>> = {},
): Step =>
  call(
    'IOT_MQTT_Construct',
    `@${client}`,
    '127.0.0.1',
    '{mqtt}',
    `${client}-id`,
    'user',
    'secret',
    options.clean ?? 1,
    options.timeout ?? 5000,
    options.keepAlive ?? 60_000,
    options.write ?? 0,
    options.read ?? 0,
  );

export const until = (what: Until, client = 'mqtt'): Step => ({ until: what, client });

/** Connects, opens OTA and waits until the broker has its subscriptions. */
export function opened(ota = 'ota', deviceName = DEVICE_NAME): Step[] {
  return [construct(), ...openedOn('mqtt', ota, deviceName)];
}

export function openedOn(client: string, ota: string, deviceName: string): Step[] {
  return [
    expectCall('handle', 'IOT_OTA_Init', `@${ota}`, PRODUCT_KEY, deviceName, `@${client}`),
    until({ subscribed: topics(deviceName).upgrade }, client),
  ];
}

/** Members of a notice's data. A value `undefined` leaves the member out. */
export type Data = Readonly<Record<string, unknown>>;

/**
 * The text of a notice; `{size}`, `{md5}`, `{sha256}`, `{MD5}`, `{url}` are those of the scenario's
 * image.
 */
export function notice(data: Data = {}, rest: Data = {}): string {
  const all = { size: '{size}', version: '2.0.0', url: '{url}/firmware', md5: '{md5}', ...data };
  return JSON.stringify({ code: '1000', data: all, id: 1, message: 'success', ...rest }).replaceAll(
    '"{size}"',
    '{size}',
  );
}

/** What a reply to the device's own question says of the upgrade of `notice()`. */
export const dataOf = (text: string): string => /"data":(\{.*\}),"id"/.exec(text)?.[1] ?? '{}';

/** The notice of a SHA-256 digest. */
export const sha256Notice = (data: Data = {}): string =>
  notice({ md5: undefined, sign: '{sha256}', signMethod: 'SHA256', ...data });

/** The notice of an image that comes in MQTT blocks. */
export const blocksNotice = (data: Data = {}): string =>
  sha256Notice({ url: undefined, dProtocol: 'mqtt', streamId: 1397345, streamFileId: 1, ...data });

export const push = (text: string, topic = topics().upgrade, qos = 1): Step => ({
  push: text,
  topic,
  qos,
});

/** Pushes a notice and waits until it was taken as an upgrade. */
export function pushed(
  text = notice(),
  ota = 'ota',
  client = 'mqtt',
  deviceName = DEVICE_NAME,
): Step[] {
  return [push(text, topics(deviceName).upgrade), until({ fetching: ota }, client)];
}

export const fetchAll = (bytes = 5000, ota = 'ota', client = 'mqtt', limit?: number): Step => ({
  fetch: ota,
  client,
  buffer: bytes,
  timeout: 20,
  ...(limit !== undefined && { limit }),
});

/** What is asked after a fetch: state, last error, sizes, version and whether it is valid. */
export function asked(ota = 'ota'): Step[] {
  return [
    call('IOT_OTA_IsFetching', `@${ota}`),
    call('IOT_OTA_IsFetchFinish', `@${ota}`),
    call('IOT_OTA_Ioctl', `@${ota}`, ioctl.OTA_TYPE, buffer(4)),
    call('IOT_OTA_Ioctl', `@${ota}`, ioctl.FETCHED_SIZE, buffer(4)),
    call('IOT_OTA_Ioctl', `@${ota}`, ioctl.FETCHED_SIZE, buffer(8)),
    call('IOT_OTA_Ioctl', `@${ota}`, ioctl.FILE_SIZE, buffer(4)),
    call('IOT_OTA_Ioctl', `@${ota}`, ioctl.VERSION, buffer(65)),
    call('IOT_OTA_Ioctl', `@${ota}`, ioctl.MD5SUM, buffer(33)),
    call('IOT_OTA_Ioctl', `@${ota}`, ioctl.CHECK_FIRMWARE, buffer(4)),
    call('IOT_OTA_GetLastError', `@${ota}`),
  ];
}

export function closed(ota = 'ota', client = 'mqtt'): Step[] {
  return [
    expectCall(0, 'IOT_OTA_Deinit', `@${ota}`),
    until({ settled: true }, client),
    expectCall(0, 'IOT_MQTT_Destroy', `@${client}`),
  ];
}
