// Tested by test/unit/gateway/arguments.test.ts
/** Who a sub-device says it is, and what the calls of a gateway take. */
import type { NativeSubDevice } from '../addon/binding';
import {
  abortSignal,
  options as checkOptions,
  flag,
  integer,
  oneOf,
  optional,
  orElse,
  text,
  wrongType,
} from '../base/arguments';
import { signMethodNumbers } from '../identity/who';
import { checkDeviceName, checkProductKey } from '../options/names';

/** Which sub-device. */
export interface SubDeviceName {
  /** 1-20 letters and digits. */
  readonly productKey: string;
  /** 1-32 characters of letters, digits and `-_@.:`. */
  readonly deviceName: string;
}

/** Which sub-device, and how it proves that it is. */
export interface SubDeviceIdentity extends SubDeviceName {
  /** 1-64 characters. */
  readonly deviceSecret: string;
  /** 1-128 bytes of UTF-8, signed as they are. Default: `{productKey}.{deviceName}`. */
  readonly clientId?: string | undefined;
  /** Default `hmacsha256`. */
  readonly signMethod?: 'hmacsha256' | 'hmacsha1' | 'hmacmd5' | undefined;
  /**
   * The platform keeps messages of QoS 1 that it could not deliver, until the next login. Default
   * false. Only for logins.
   */
  readonly keepSession?: boolean | undefined;
}

/** What the calls about a gateway's topology take. */
export interface GatewayRequestOptions {
  /**
   * Milliseconds for all of it, waiting for a connection included; 1-3,600,000, default 30,000. Of each
   * message the platform has 10 s to answer.
   */
  readonly timeout?: number | undefined;
  /** Ends the wait; its reason is what the call rejects with. */
  readonly signal?: AbortSignal | undefined;
}

/** What {@link Gateway.login} takes. */
export interface LoginOptions {
  /**
   * Milliseconds for all of them, waiting for a connection included; 1-3,600,000, default 60,000. The
   * platform takes 200 in a second.
   */
  readonly timeout?: number | undefined;
  /** Ends the wait; its reason is what the call rejects with. */
  readonly signal?: AbortSignal | undefined;
}

/** @internal */
export interface CheckedWait {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
}

const nameKeys = ['productKey', 'deviceName'] as const;
const identityKeys = [
  ...nameKeys,
  'deviceSecret',
  'clientId',
  'signMethod',
  'keepSession',
] as const;
const signMethods = Object.keys(signMethodNumbers) as (keyof typeof signMethodNumbers)[];

/** @internal A list that is not empty. */
export function checkList<T, R>(value: readonly T[], check: (item: T) => R): R[] {
  if (!Array.isArray(value)) throw wrongType('devices', 'an array of sub-devices', value);
  integer('devices.length', value.length, { min: 1, max: 100_000 });
  return value.map(check);
}

/** @internal The names of a sub-device; what else is in the object does not matter: it may be a device. */
export function checkName(value: SubDeviceName): NativeSubDevice {
  if (typeof value !== 'object' || value === null) {
    throw wrongType('a sub-device', 'an object with productKey and deviceName', value);
  }
  return {
    productKey: checkProductKey(value.productKey),
    deviceName: checkDeviceName(value.deviceName),
  };
}

/** @internal An identity; the secret is never shown. */
export function checkIdentity(value: SubDeviceIdentity): NativeSubDevice {
  const given = checkOptions<SubDeviceIdentity>('a sub-device', value, identityKeys);
  const { signMethod } = given;
  return {
    ...checkName(value),
    deviceSecret: text('deviceSecret', given.deviceSecret, { max: 64, secret: true }),
    clientId: optional(given.clientId, (id) => text('clientId', id, { max: 128 })) ?? '',
    signMethod:
      signMethod === undefined
        ? 0
        : signMethodNumbers[oneOf('signMethod', signMethod, signMethods)],
    keepSession: flag('keepSession', orElse(given.keepSession, false)),
  };
}

const REQUEST_TIMEOUT_MS = 30_000;
const LOGIN_TIMEOUT_MS = 60_000;

/** @internal */
export function checkRequest(options: GatewayRequestOptions | undefined): CheckedWait {
  return checkWait(options, REQUEST_TIMEOUT_MS);
}

/** @internal */
export function checkLogin(options: LoginOptions | undefined): CheckedWait {
  return checkWait(options, LOGIN_TIMEOUT_MS);
}

function checkWait(options: GatewayRequestOptions | undefined, otherwise: number): CheckedWait {
  const { timeout, signal } = checkOptions('options', options, ['timeout', 'signal']);
  return {
    timeoutMs: integer('timeout', orElse(timeout, otherwise), { min: 1, max: 3_600_000 }),
    signal: abortSignal('signal', signal),
  };
}
