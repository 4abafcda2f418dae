// Tested by platform/test/broker/embedded.test.ts, platform/test/identities/registration.test.ts,
// platform/test/identities/certificates.test.ts

import { messageOf } from '../base/errors';
import { deviceId } from '../devices/names';
import type { Faults } from '../faults/faults';
import type { Certificates } from '../identities/certificates';
import {
  REGISTRATION,
  RegistrationRefusal,
  type RegistrationRequest,
  type Registrations,
} from '../identities/registration';
import type { Device, DeviceKey } from '../types/device';
import type { Product } from '../types/product';
import { type ClientId, parseClientId, parseUsername, REFUSED, Refusal, verify } from './auth';

/** A CONNECT, and what is known of the connection it came over. */
export interface Attempt {
  readonly clientId: string;
  readonly username: string | undefined;
  readonly password: Buffer | undefined;
  readonly keepAliveSeconds: number;
  readonly isTls: boolean;
  /** SHA-256 of the certificate that the client has shown, and has the key of; hex digits. */
  readonly fingerprint: string | undefined;
  readonly hasWill: boolean;
}

/** What the platform says right after the CONNACK, to whoever has not subscribed to anything. */
export interface Greeting {
  readonly topic: string;
  readonly payload: string;
}

/** What a connection is let in as: a device, or one that is here to register and may do nothing else. */
export type Admission =
  | {
      readonly as: 'device';
      readonly key: DeviceKey;
      /** Signed in with `_ss=1`: what the platform sends arrives without a subscription. */
      readonly hasSystemTopics: boolean;
      /** Signed in with bit 0 of `ext` set: it may be called on topics of its own. */
      readonly takesCustomCalls: boolean;
      readonly greeting?: Greeting;
    }
  | { readonly as: 'registrant'; readonly greeting: Greeting };

/** What the sign-in asks of the rest of the platform. */
export interface SignInParts {
  readonly faults: Faults;
  readonly deviceOf: (key: DeviceKey) => Device | undefined;
  readonly productOf: (productKey: string) => Product | undefined;
  readonly registrations: Registrations;
  readonly certificates: Certificates;
  readonly keepAliveSeconds: { readonly min: number; readonly max: number };
  /** Whether a will is refused, and a retained message; otherwise a will and the flag are ignored. */
  readonly isStrict: boolean;
}

const REGISTER = 'register';
const REGISTER_UNKNOWN = 'regnwl';
const BY_TOKEN = 'connwl';

/** Whether a client id is of a connection that is here to register. */
export function isRegistration(clientId: string): boolean {
  try {
    return registers(parseClientId(clientId));
  } catch {
    return false;
  }
}

function registers({ parameters: { authType } }: ClientId): boolean {
  return authType === REGISTER || authType === REGISTER_UNKNOWN;
}

/** Whether a connection says no names: its certificate says who it is. */
export function isNameless({
  username,
  fingerprint,
}: Pick<Attempt, 'username' | 'fingerprint'>): boolean {
  return fingerprint !== undefined && /^&?$/.test(username ?? '');
}

/** Lets a connection in. Rejects with a Refusal, or with what kept the platform from deciding. */
export async function admit(attempt: Attempt, parts: SignInParts): Promise<Admission> {
  const clientId = parseClientId(attempt.clientId);
  const named = isNameless(attempt) ? undefined : parseUsername(attempt.username);
  const key = named ?? ownerOfCertificate(attempt, parts);
  const [fault] = parts.faults.strike(['mqtt-refuse'], { deviceName: key.deviceName }, 1);
  if (fault !== undefined) throw new Refusal(fault.returnCode, 'refused on request (fault)');
  if (registers(clientId)) {
    return { as: 'registrant', greeting: await register(key, clientId, attempt, parts) };
  }
  if (clientId.parameters.authType === BY_TOKEN) checkToken(key, clientId, attempt, parts);
  else if (parts.productOf(key.productKey)?.authentication === 'x509') {
    checkCertificate(key, clientId, attempt, parts);
  } else checkSecret(key, clientId, attempt, parts);
  checkKeepAlive(attempt, parts);
  if (attempt.hasWill && parts.isStrict) {
    throw new Refusal(REFUSED.notAuthorized, 'a will is not supported');
  }
  const { _ss: system, ext } = clientId.parameters;
  const device = {
    as: 'device',
    key,
    hasSystemTopics: system === '1',
    takesCustomCalls: (Number(ext) & 1) === 1,
  } as const;
  return named === undefined ? { ...device, greeting: identityGreeting(key) } : device;
}

/** Tells a device its names, which it had none of. */
function identityGreeting({ productKey, deviceName }: DeviceKey): Greeting {
  const payload = JSON.stringify({ productKey, deviceName });
  return { topic: '/ext/auth/identity/response', payload };
}

/** Throws a Refusal for a certificate that this platform has not issued. */
function ownerOfCertificate({ fingerprint }: Attempt, { certificates }: SignInParts): DeviceKey {
  const { productKey, deviceName } = certificates.find(fingerprint ?? '') ?? {};
  if (productKey === undefined || deviceName === undefined) throw foreign();
  return { productKey, deviceName };
}

/** That the client has the key of its certificate was proven by the handshake. */
function checkCertificate(
  key: DeviceKey,
  clientId: ClientId,
  { fingerprint, isTls }: Attempt,
  { certificates, deviceOf }: SignInParts,
): void {
  if (fingerprint === undefined) {
    const reason =
      'the product authenticates by X.509: the connection needs a certificate, over TLS';
    throw new Refusal(REFUSED.notAuthorized, reason);
  }
  const certificate = certificates.find(fingerprint);
  if (certificate === undefined) throw foreign();
  const isOther = deviceId(certificate) !== deviceId(key);
  const flaw = isOther ? "the certificate is another device's" : certificates.flawOf(certificate);
  if (flaw !== undefined) throw new Refusal(REFUSED.notAuthorized, flaw);
  const device = deviceOf(key);
  if (device === undefined) throw new Refusal(REFUSED.credentials, 'unknown device');
  checkEnabled(device);
  checkMode(clientId, isTls);
}

function foreign(): Refusal {
  const reason = 'the certificate was not issued by this platform, or its device was removed';
  return new Refusal(REFUSED.notAuthorized, reason);
}

function checkSecret(
  key: DeviceKey,
  clientId: ClientId,
  { password, isTls }: Attempt,
  { deviceOf }: SignInParts,
): void {
  const device = deviceOf(key);
  verify(key, device?.deviceSecret, clientId, password);
  checkEnabled(device);
  checkMode(clientId, isTls);
}

function checkMode({ parameters }: ClientId, isTls: boolean): void {
  const wanted = isTls ? ['2', '-2'] : ['3'];
  if (wanted.includes(parameters.securemode ?? '')) return;
  const text = `securemode must be ${wanted.join(' or ')} on this listener`;
  throw new Refusal(REFUSED.notAuthorized, text);
}

/** The token that an earlier registration was given, as it is. */
function checkToken(
  key: DeviceKey,
  { id, parameters }: ClientId,
  { password, isTls }: Attempt,
  { deviceOf, registrations }: SignInParts,
): void {
  const token = (password ?? '').toString('latin1');
  const device = deviceOf(key);
  if (!registrations.isToken(key, id, token) || device === undefined) {
    throw new Refusal(REFUSED.credentials, 'unknown device or wrong token');
  }
  checkEnabled(device);
  if (isTls && isModeOfToken(parameters.securemode)) return;
  throw new Refusal(REFUSED.notAuthorized, 'a token needs TLS, and securemode -2');
}

function checkEnabled(device: Device | undefined): void {
  if (device?.disabled) throw new Refusal(REFUSED.notAuthorized, 'the device is disabled');
}

function checkKeepAlive({ keepAliveSeconds }: Attempt, parts: SignInParts): void {
  const { min, max } = parts.keepAliveSeconds;
  if (keepAliveSeconds >= min && keepAliveSeconds <= max) return;
  const text = `keep-alive must be ${min}-${max} s, not ${keepAliveSeconds}`;
  throw new Refusal(REFUSED.notAuthorized, text);
}

/** The documents have -2, the vendor's SDKs send 2. */
function isModeOfToken(secureMode: string | undefined): boolean {
  return secureMode === '-2' || secureMode === '2';
}

/** The answer to a registration; keep-alive does not matter to a connection that lasts seconds. */
async function register(
  key: DeviceKey,
  { parameters }: ClientId,
  { password, isTls }: Attempt,
  { registrations }: SignInParts,
): Promise<Greeting> {
  const isKnown = parameters.authType === REGISTER;
  const isRightMode = isKnown
    ? parameters.securemode === '2'
    : isModeOfToken(parameters.securemode);
  if (!isTls || !isRightMode) {
    const mode = isKnown ? '2' : '-2';
    throw new Refusal(REFUSED.identifier, `a registration needs TLS, and securemode ${mode}`);
  }
  const request: RegistrationRequest = {
    ...key,
    random: parameters.random ?? '',
    method: parameters.signmethod ?? '',
    sign: (password ?? '').toString('latin1'),
  };
  try {
    if (isKnown) {
      const { productKey, deviceName, deviceSecret } = await registrations.register(request);
      const payload = JSON.stringify({ productKey, deviceName, deviceSecret });
      return { topic: '/ext/register', payload };
    }
    const token = await registrations.registerUnknown(request);
    const { productKey, deviceName, clientId, deviceToken } = token;
    const payload = JSON.stringify({ productKey, deviceName, clientId, deviceToken });
    return { topic: '/ext/regnwl', payload };
  } catch (error) {
    if (!(error instanceof RegistrationRefusal)) throw error;
    throw new Refusal(returnCodeOf(error), `${messageOf(error)} (${error.code})`);
  }
}

function returnCodeOf({ code }: RegistrationRefusal): 2 | 4 {
  const isForm = code === REGISTRATION.parameters || code === REGISTRATION.signMethod;
  return isForm ? REFUSED.identifier : REFUSED.credentials;
}
