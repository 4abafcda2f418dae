// Tested by test/integration/registration.test.ts
/** register(): from options to credentials. */
import type { NativeCredentials } from '../addon/binding';
import { prepareTrust } from '../addon/trust';
import {
  abortSignal,
  options as checkOptions,
  conflict,
  oneOf,
  orElse,
  wrongType,
} from '../base/arguments';
import { throwIfAborted } from '../base/signals';
import { checkPlace, type Endpoint, endpointKeys, hostsOfProduct } from '../options/endpoint';
import { checkTls } from '../options/tls';
import { milliseconds } from '../options/values';
import type { Credentials } from './credentials';
import { type CheckedRegistration, registerOnce } from './registration';
import { checkWho, registeredInstance } from './who';

/** What a device has before it is registered. */
export interface RegistrationOptions {
  /** 1-20 letters and digits, as on the platform's console. */
  readonly productKey: string;
  /** Of the product, 1-64 characters. Never logged, never part of an error. */
  readonly productSecret: string;
  /** 1-32 characters of letters, digits and `-_@.:`. */
  readonly deviceName: string;
  /**
   * Whether the platform knows the device's name already. Default true; `false`: the result has a
   * `deviceToken` instead of a `deviceSecret`.
   */
  readonly preregistered?: boolean | undefined;
  /** How the registration is signed with the product secret. Default `hmacsha256`. */
  readonly signMethod?: 'hmacsha256' | 'hmacsha1' | 'hmacmd5' | undefined;
  /** Base of the MQTT client id, 1-64 characters. Default `productKey.deviceName`. */
  readonly clientId?: string | undefined;
  /**
   * Where the credentials are kept: if the file has them, they are the result and nothing is sent;
   * else it is made, for its user alone (mode 0600), whole or not at all. Default: nowhere.
   */
  readonly credentialsFile?: string | undefined;
  /**
   * Milliseconds for the connection, and as many for the platform's answer, 1-3,600,000. Default
   * 15,000, after which the platform closes the connection.
   */
  readonly timeout?: number | undefined;
  /** Cancels it, unless the answer is there already. */
  readonly signal?: AbortSignal | undefined;
}

/** What {@link register} takes. */
export type RegisterOptions = RegistrationOptions & Endpoint;

const keys = [
  ...['productKey', 'productSecret', 'deviceName', 'preregistered', 'signMethod', 'clientId'],
  ...['credentialsFile', 'timeout', 'signal'],
  ...endpointKeys,
] as readonly (keyof RegisterOptions)[];

/** @internal Throws a TypeError or RangeError that names the option. */
export function checkRegisterOptions(
  given: RegisterOptions,
): readonly [CheckedRegistration, AbortSignal | undefined] {
  if (given === undefined) throw wrongType('options', 'an object', given);
  const options = checkOptions('options', given, keys);
  const who = checkWho({ ...options, productSecret: options.productSecret as string });
  const place = checkPlace(options, hostsOfProduct(who.productKey), checkTls(options.tls));
  if (place.tls === undefined) throw conflict('tls: a registration needs TLS');
  const timeoutMs = milliseconds('timeout', options.timeout, 15_000);
  const checked = {
    who,
    ...place,
    tls: place.tls,
    instanceId: registeredInstance(who, options.instanceId),
    signMethod: oneOf('signMethod', orElse(options.signMethod, 'hmacsha256'), signMethods),
    connectTimeoutMs: timeoutMs,
    answerTimeoutMs: timeoutMs,
  };
  return [checked, abortSignal('signal', options.signal)];
}

const signMethods = ['hmacsha256', 'hmacsha1', 'hmacmd5'] as const;

/** @internal */
export function credentialsOf(got: NativeCredentials): Credentials {
  const { productKey, deviceName, deviceSecret, clientId, deviceToken } = got;
  if (deviceSecret !== '') return { productKey, deviceName, deviceSecret };
  return { productKey, deviceName, clientId, deviceToken };
}

/**
 * Registers a device that has the secret of its product and no credentials of its own yet (dynamic
 * registration over MQTT): one short connection with TLS, which is not tried again. What it resolves
 * to is what {@link connect} takes; keep it, because a device that is activated cannot register again
 * until it is reset at the platform. `credentialsFile` does that; so does that of {@link connect},
 * which registers by itself.
 *
 * @throws {@link InvalidArgument}, as a rejection, before anything is sent.
 * @throws {@link IotkitError} `ERR_REGISTER_REFUSED` (product secret, device name or the product's
 *   switch is wrong, or the device is activated already), `ERR_REGISTER_ACTIVATED`,
 *   `ERR_REGISTER_NO_ANSWER`, `ERR_REGISTER_ANSWER`, `ERR_MQTT_CLIENT_ID` (a parameter is missing or
 *   malformed), `ERR_MQTT_UNAVAILABLE` (later again), `ERR_MQTT_IN_USE` (the device is connected in
 *   this process); with `credentialsFile` `ERR_CREDENTIALS_DAMAGED`, `ERR_CREDENTIALS_EXPOSED` (others
 *   may open it, or it is a link), `ERR_CREDENTIALS_OTHER` (it is another device's), `ERR_FILE_LOCKED`
 *   and other errors of files; and those of a connection, as {@link connect} has them.
 *
 * @example
 * const credentials = await register({ productKey, productSecret, deviceName, region: 'cn-shanghai' });
 * await using device = await connect({ ...credentials, region: 'cn-shanghai' });
 */
export async function register(options: RegisterOptions): Promise<Credentials> {
  const [checked, signal] = checkRegisterOptions(options);
  throwIfAborted(signal);
  if (checked.tls.ca === '') await prepareTrust();
  throwIfAborted(signal);
  return credentialsOf(await registerOnce(checked, signal));
}
