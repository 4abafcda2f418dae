import { createHash } from 'node:crypto';
import type { Devices } from '../devices/devices';
import { checkDeviceKey, deviceId } from '../devices/names';
import type { Products } from '../devices/products';
import type { Faults } from '../faults/faults';
import { REGISTRATION, RegistrationRefusal, type Registrations } from '../identities/registration';
import { isSame, isSignMethod, signatureOf } from '../identities/signing';
import {
  type Claim,
  CODE,
  type GatewayRequest,
  namesOf,
  parseClaims,
  parseDevices,
  parseProductClaims,
} from '../protocol/gateway-messages';
import type { GatewayKind } from '../protocol/gateway-topics';
import type { Device, DeviceKey } from '../types/device';
import type { Sessions } from './sessions';
import type { Topology } from './topology';

/** A request that is answered with a code of its own; the message names no secret. */
export class GatewayRefusal extends Error {
  override readonly name = 'GatewayRefusal';
  readonly code: number;
  /** The devices that are to blame. */
  readonly culprits: readonly DeviceKey[];

  constructor(code: number, reason: string, culprits: readonly DeviceKey[] = []) {
    super(reason);
    this.code = code;
    this.culprits = culprits;
  }
}

/** What requests change, beyond what is answered. */
export interface Consequences {
  /** A sub-device is another gateway's no longer. */
  readonly moved: (sub: DeviceKey, from: DeviceKey) => void;
  readonly related: (sub: DeviceKey, gateway: DeviceKey, isRelated: boolean) => void;
  readonly found: (subs: readonly DeviceKey[], gateway: DeviceKey) => void;
  /** A sub-device is about to be carried: a connection of its own ends. */
  readonly replaced: (sub: DeviceKey) => void;
}

interface Dependencies {
  readonly devices: Devices;
  readonly products: Products;
  readonly registrations: Registrations;
  readonly topology: Topology;
  readonly sessions: Sessions;
  readonly faults: Faults;
  readonly maxSubDevices: number;
  readonly consequences: Consequences;
}

/** Devices in one request. */
const MAX_BATCH = 50;
const MAX_REGISTER = 30;
/** Logins of a gateway in a second, while it is held to them. */
const MAX_LOGINS = 200;

type Answer = (gateway: DeviceKey, request: GatewayRequest) => object | Promise<object>;

/** Decides what gateways ask for: all of a request is done, or none of it. */
export class GatewayRequests {
  readonly #deps: Dependencies;
  readonly #answers: Readonly<Partial<Record<GatewayKind, Answer>>>;

  constructor(deps: Dependencies) {
    this.#deps = deps;
    this.#answers = {
      register: (gateway, request) => this.#register(gateway, request),
      'register-by-product': (_, request) => this.#registerByProduct(request),
      'topology-add': (gateway, request) => this.#add(gateway, request),
      'topology-delete': (gateway, request) => this.#delete(gateway, request),
      'topology-get': (gateway) => deps.topology.of(gateway).map(namesOf),
      found: (gateway, request) => this.#found(gateway, request),
      login: (gateway, request) => this.#login(gateway, parseClaims(request, 1))[0] ?? {},
      logout: (gateway, request) => this.#logout(gateway, parseDevices(request, 1))[0] ?? {},
      'batch-login': (gateway, request) => this.#login(gateway, parseClaims(request, MAX_BATCH)),
      'batch-logout': (gateway, request) => this.#logout(gateway, parseDevices(request, MAX_BATCH)),
    };
  }

  /** The data of the answer; undefined for what is none. Rejects with a GatewayRefusal or BadMessage. */
  async answer(
    kind: GatewayKind,
    gateway: DeviceKey,
    request: GatewayRequest,
  ): Promise<object | undefined> {
    return this.#answers[kind]?.(gateway, request);
  }

  #register(gateway: DeviceKey, request: GatewayRequest): object {
    const { products, topology } = this.#deps;
    const devices = parseDevices(request, MAX_REGISTER).map((key) => {
      const device = this.#expect(key);
      if (!products.get(key.productKey)?.dynamicRegistration) {
        throw refuse(CODE.switchedOff, "the product's dynamic registration is switched off", key);
      }
      if (isSameDevice(key, gateway)) throw itself(key);
      const owner = topology.gatewayOf(key);
      if (owner !== undefined && !isSameDevice(owner, gateway)) {
        throw refuse(CODE.bound, 'it belongs to another gateway', key);
      }
      return device;
    });
    return devices.map(credentials);
  }

  async #registerByProduct(request: GatewayRequest): Promise<object> {
    const registered = [];
    for (const claim of parseProductClaims(request, MAX_REGISTER)) {
      const { productKey, deviceName, random, sign, signMethod: method } = claim;
      try {
        const { registrations } = this.#deps;
        const device = await registrations.register({
          productKey,
          deviceName,
          random,
          sign,
          method,
        });
        registered.push(credentials(device));
      } catch (error) {
        if (!(error instanceof RegistrationRefusal)) throw error;
        const code = error.code === REGISTRATION.signature ? CODE.signature : error.code;
        throw refuse(code, error.message, claim);
      }
    }
    return registered;
  }

  #add(gateway: DeviceKey, request: GatewayRequest): object {
    const { topology, maxSubDevices, consequences } = this.#deps;
    const claims = parseClaims(request, MAX_REGISTER);
    for (const claim of claims) {
      if (isSameDevice(claim, gateway)) throw itself(claim);
      const device = this.#expect(claim);
      if (device.disabled) throw refuse(CODE.deviceDisabled, 'the device is disabled', claim);
      if (!isSigned(claim, device)) throw refuse(CODE.signature, 'wrong signature', claim);
    }
    const added = claims.filter((claim) => !topology.isOf(claim, gateway));
    if (topology.count(gateway) + added.length > maxSubDevices) {
      throw new GatewayRefusal(CODE.tooMany, `a gateway has at most ${maxSubDevices} sub-devices`);
    }
    for (const claim of added) {
      // Whoever has its secret may move it.
      const before = topology.gatewayOf(claim);
      if (before !== undefined) consequences.moved(namesOf(claim), before);
      topology.add(claim, gateway);
      consequences.related(namesOf(claim), gateway, true);
    }
    return claims.map(namesOf);
  }

  #delete(gateway: DeviceKey, request: GatewayRequest): object {
    const { topology, sessions, consequences } = this.#deps;
    const keys = parseDevices(request, MAX_REGISTER);
    for (const key of keys) {
      this.#expect(key);
      this.#expectRelation(key, gateway);
    }
    for (const key of keys) {
      sessions.close(key);
      topology.remove(key);
      consequences.related(key, gateway, false);
    }
    return keys;
  }

  #found(gateway: DeviceKey, request: GatewayRequest): object {
    const keys = parseDevices(request, MAX_REGISTER);
    for (const key of keys) {
      try {
        checkDeviceKey(key);
      } catch (error) {
        throw refuse(CODE.badName, (error as Error).message, key);
      }
      if (!this.#isProduct(key.productKey)) {
        throw refuse(CODE.noProduct, 'there is no such product', key);
      }
    }
    this.#deps.consequences.found(keys, gateway);
    return {};
  }

  #login(gateway: DeviceKey, claims: readonly Claim[]): DeviceKey[] {
    const { sessions, consequences } = this.#deps;
    this.#checkRate(gateway, claims.length);
    refuseAll(claims, (claim) => this.#loginFlaw(claim, gateway));
    for (const claim of claims) {
      if (sessions.isOpen(claim, gateway)) continue;
      const sub = namesOf(claim);
      consequences.replaced(sub);
      sessions.open(sub, gateway);
    }
    return claims.map(namesOf);
  }

  #loginFlaw(claim: Claim, gateway: DeviceKey): GatewayRefusal | undefined {
    const { devices, topology } = this.#deps;
    const device = devices.get(claim);
    if (device === undefined) return noDevice(claim);
    if (!topology.isOf(claim, gateway)) return noRelation(claim);
    if (device.disabled) return refuse(CODE.disabled, 'the device is disabled', claim);
    if (isSigned(claim, device)) return undefined;
    return refuse(CODE.loginSignature, 'wrong signature', claim);
  }

  #logout(gateway: DeviceKey, keys: readonly DeviceKey[]): DeviceKey[] {
    const { sessions } = this.#deps;
    refuseAll(keys, (key) =>
      sessions.isOpen(key, gateway) ? undefined : refuse(CODE.noSession, 'no session', key),
    );
    for (const key of keys) sessions.close(key);
    return [...keys];
  }

  #checkRate(gateway: DeviceKey, logins: number): void {
    const { sessions, faults } = this.#deps;
    if (sessions.count(gateway, logins) <= MAX_LOGINS) return;
    const { deviceName } = gateway;
    if (faults.strike(['gateway-rate'], { deviceName }).length === 0) return;
    throw new GatewayRefusal(CODE.tooFast, `more than ${MAX_LOGINS} logins a second`);
  }

  /** Those known by a device need no record of their own. */
  #isProduct(productKey: string): boolean {
    const { products, devices } = this.#deps;
    const isOf = (device: DeviceKey): boolean => device.productKey === productKey;
    return products.get(productKey) !== undefined || devices.list().some(isOf);
  }

  #expect(key: DeviceKey): Device {
    const device = this.#deps.devices.get(key);
    if (device === undefined) throw noDevice(key);
    return device;
  }

  #expectRelation(key: DeviceKey, gateway: DeviceKey): void {
    if (!this.#deps.topology.isOf(key, gateway)) throw noRelation(key);
  }
}

/** Throws the first flaw, with every device that has one. */
function refuseAll<T extends DeviceKey>(
  members: readonly T[],
  flawOf: (member: T) => GatewayRefusal | undefined,
): void {
  const flaws = members.map(flawOf).filter((flaw) => flaw !== undefined);
  const [first] = flaws;
  if (first === undefined) return;
  const culprits = flaws.flatMap((flaw) => flaw.culprits);
  throw new GatewayRefusal(first.code, first.message, culprits);
}

/** The signature is over what was sent, taken as it is. */
function isSigned(claim: Claim, { deviceSecret }: Device): boolean {
  const { clientId, deviceName, productKey, timestamp, signMethod, sign } = claim;
  if (!isSignMethod(signMethod)) return false;
  const right = signatureOf(signMethod, deviceSecret, {
    clientId,
    deviceName,
    productKey,
    ...(timestamp !== undefined && { timestamp }),
  });
  return isSame(sign.toLowerCase(), right);
}

function credentials({ productKey, deviceName, deviceSecret }: Device): object {
  const digest = createHash('sha256').update(deviceId({ productKey, deviceName }));
  const iotId = digest.digest('base64url').slice(0, 26);
  return { iotId, productKey, deviceName, deviceSecret };
}

function isSameDevice(a: DeviceKey, b: DeviceKey): boolean {
  return deviceId(a) === deviceId(b);
}

function refuse(code: number, reason: string, sub: DeviceKey): GatewayRefusal {
  return new GatewayRefusal(code, reason, [namesOf(sub)]);
}

function noDevice(sub: DeviceKey): GatewayRefusal {
  return refuse(CODE.noDevice, 'there is no such device', sub);
}

function noRelation(sub: DeviceKey): GatewayRefusal {
  return refuse(CODE.noRelation, 'the device is not in the topology of this gateway', sub);
}

function itself(sub: DeviceKey): GatewayRefusal {
  return refuse(CODE.isItself, 'a gateway cannot be its own sub-device', sub);
}
