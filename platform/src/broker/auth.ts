import { createHmac, timingSafeEqual } from 'node:crypto';
import type { DeviceKey } from '../types/device';

/** How a device signs in. */
export type HmacMethod = 'hmacmd5' | 'hmacsha1' | 'hmacsha256';

/** CONNACK codes this platform refuses with. */
export const REFUSED = {
  /** The client id is not of the form `{id}|key=value,…|`, or what it asks for is unknown. */
  identifier: 2,
  unavailable: 3,
  /** Wrong signature, unknown device, malformed user name: one code for all, on purpose. */
  credentials: 4,
  /** Known, but not allowed so: keep-alive, or a securemode that is not the listener's. */
  notAuthorized: 5,
} as const;

/** A refused connection; the message is for the operator and names no secret. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly returnCode: 2 | 3 | 4 | 5;

  constructor(returnCode: 2 | 3 | 4 | 5, reason: string) {
    super(reason);
    this.returnCode = returnCode;
  }
}

/** A client id in the platform's form, parsed. */
export interface ClientId {
  readonly id: string;
  readonly parameters: Readonly<Record<string, string>>;
}

const CLIENT_ID = /^([^|]{1,64})\|([^|]*)\|$/;
const HASHES: Readonly<Record<HmacMethod, string>> = {
  hmacmd5: 'md5',
  hmacsha1: 'sha1',
  hmacsha256: 'sha256',
};

/**
 * Parses `{id}|key=value,…|`. Empty parameters, as after a last comma, are passed over. Throws a
 * Refusal.
 */
export function parseClientId(clientId: string): ClientId {
  const parts = CLIENT_ID.exec(clientId);
  if (parts === null) {
    throw new Refusal(REFUSED.identifier, 'the client id must be {1-64 characters}|key=value,…|');
  }
  const [, id = '', list = ''] = parts;
  const parameters: Record<string, string> = Object.create(null);
  for (const pair of list.split(',')) {
    if (pair === '') continue;
    const cut = pair.indexOf('=');
    if (cut < 1) throw new Refusal(REFUSED.identifier, 'a client id parameter must be key=value');
    parameters[pair.slice(0, cut)] = pair.slice(cut + 1);
  }
  if (Object.keys(parameters).length === 0) {
    throw new Refusal(REFUSED.identifier, 'the client id has no parameters');
  }
  return { id, parameters };
}

/** Parses `{deviceName}&{productKey}`. Throws a Refusal. */
export function parseUsername(username: string | undefined): DeviceKey {
  const [deviceName = '', productKey = '', ...rest] = (username ?? '').split('&');
  if (deviceName === '' || productKey === '' || rest.length > 0) {
    throw new Refusal(REFUSED.credentials, 'the user name must be {deviceName}&{productKey}');
  }
  return { deviceName, productKey };
}

/** Which hash a client id asks for; without the parameter it is MD5. Throws a Refusal. */
export function methodOf({ parameters }: ClientId): HmacMethod {
  const name = (parameters.signmethod ?? 'hmacmd5').toLowerCase();
  if (Object.hasOwn(HASHES, name)) return name as HmacMethod;
  throw new Refusal(REFUSED.identifier, 'signmethod must be hmacmd5, hmacsha1 or hmacsha256');
}

/** The password: lower-case hex HMAC over the sorted keys, each followed by its value. */
export function signature(
  key: DeviceKey,
  deviceSecret: string,
  method: HmacMethod,
  clientId: string,
  timestamp?: string,
): string {
  const content =
    `clientId${clientId}deviceName${key.deviceName}productKey${key.productKey}` +
    (timestamp === undefined ? '' : `timestamp${timestamp}`);
  return createHmac(HASHES[method], deviceSecret).update(content).digest('hex');
}

/**
 * Checks a sign-in against the device's secret. An unknown device has none (undefined), and its
 * check takes the same time. Throws a Refusal.
 */
export function verify(
  key: DeviceKey,
  deviceSecret: string | undefined,
  clientId: ClientId,
  password: Buffer | undefined,
): void {
  const { id, parameters } = clientId;
  const secret = deviceSecret ?? 'no such device';
  const right = signature(key, secret, methodOf(clientId), id, parameters.timestamp);
  const given = Buffer.from(
    (password ?? Buffer.alloc(0)).toString('latin1').toLowerCase(),
    'latin1',
  );
  const expected = Buffer.from(right, 'latin1');
  const same = given.length === expected.length && timingSafeEqual(given, expected);
  if (!same || deviceSecret === undefined) {
    throw new Refusal(REFUSED.credentials, 'unknown device or wrong signature');
  }
}

/** What a device needs to connect: client id, user name, password. */
export interface SignIn {
  readonly clientId: string;
  readonly username: string;
  readonly password: string;
}

/** Signs a device in as the platform wants it; for tests and tools. */
export function signIn(
  device: DeviceKey & { readonly deviceSecret: string },
  options: {
    /** 2 = TLS (default), 3 = plain TCP. */
    readonly secureMode?: 2 | 3;
    readonly method?: HmacMethod;
    /** Default `{productKey}.{deviceName}`. */
    readonly clientId?: string;
    readonly timestamp?: string;
  } = {},
): SignIn {
  const { secureMode = 2, method = 'hmacsha256', timestamp } = options;
  const id = options.clientId ?? `${device.productKey}.${device.deviceName}`;
  const stamp = timestamp === undefined ? '' : `,timestamp=${timestamp}`;
  return {
    clientId: `${id}|securemode=${secureMode},signmethod=${method}${stamp}|`,
    username: `${device.deviceName}&${device.productKey}`,
    password: signature(device, device.deviceSecret, method, id, timestamp),
  };
}
