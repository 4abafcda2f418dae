// identities/: how devices come by what they prove themselves with: secrets and tokens by dynamic
// registration (here, over HTTPS endpoint.ts), certificates (certificates.ts). Knows no MQTT. Imports
// base, store, types, devices, events, listen (the CA).

import { randomBytes } from 'node:crypto';
import type { Clock } from '../base/clock';
import { PlatformError } from '../base/errors';
import type { Devices } from '../devices/devices';
import { checkDeviceKey, deviceId } from '../devices/names';
import type { Products } from '../devices/products';
import type { Store } from '../store/store';
import type { Device, DeviceKey } from '../types/device';
import type { Product } from '../types/product';
import { isSame, isSignMethod, signatureOf } from './signing';

/** What a device that registers sends; the signature is made with its product's secret. */
export interface RegistrationRequest extends DeviceKey {
  readonly random: string;
  readonly method: string;
  readonly sign: string;
}

/** One physical device under a name that was not registered before. */
export interface DeviceToken extends DeviceKey {
  readonly clientId: string;
  readonly createdAt: number;
}

type StoredToken = DeviceToken & { readonly deviceToken: string };

/** Why a registration is refused: the platform's own codes. */
export const REGISTRATION = {
  parameters: 460,
  noDevice: 6100,
  noProduct: 6250,
  switchedOff: 6288,
  activated: 6289,
  signMethod: 6292,
  tooMany: 6400,
  signature: 6600,
} as const;

/** A refused registration; the message is for the operator and names no secret. */
export class RegistrationRefusal extends Error {
  override readonly name = 'RegistrationRefusal';
  readonly code: number;

  constructor(code: number, reason: string) {
    super(reason);
    this.code = code;
  }
}

interface Dependencies {
  readonly store: Store;
  readonly clock: Clock;
  readonly products: Products;
  readonly devices: Devices;
}

/** Physical devices that may register under one name. */
const MAX_TOKENS = 5;
const MAX_RANDOM = 64;

/** Dynamic registration: devices that know their product's secret fetch what they sign in with. */
export class Registrations {
  readonly #deps: Dependencies;
  readonly #tokens = new Map<string, Map<string, StoredToken>>();

  constructor(deps: Dependencies) {
    this.#deps = deps;
  }

  /** @internal */
  async load(): Promise<void> {
    for (const token of await this.#deps.store.load<StoredToken>('token')) this.#keep(token);
  }

  /** The physical devices that registered under a name, oldest first. */
  tokens(key: DeviceKey): DeviceToken[] {
    return [...this.#of(key).values()]
      .map(({ deviceToken: _, ...token }) => token)
      .sort((a, b) => a.createdAt - b.createdAt);
  }

  /**
   * Keeps one of the physical devices of a name; the others are refused from now on.
   * Rejects with ERR_TOKEN_UNKNOWN, ERR_STATE_FULL, ERR_STATE.
   */
  async keepToken(key: DeviceKey, clientId: string): Promise<void> {
    const tokens = this.#of(key);
    if (!tokens.has(clientId)) {
      const text = `no device registered as ${deviceId(key)} with the client id ${clientId}`;
      throw new PlatformError('ERR_TOKEN_UNKNOWN', text);
    }
    const others = [...tokens.values()].filter((token) => token.clientId !== clientId);
    await this.#deps.store.commit(
      others.map((token) => ({ kind: 'token', key: recordKey(token) })),
    );
    for (const token of others) tokens.delete(token.clientId);
  }

  /** @internal The device is removed, or as if it had never registered. */
  forget(key: DeviceKey): void {
    for (const token of this.#of(key).values()) this.#deps.store.remove('token', recordKey(token));
    this.#tokens.delete(deviceId(key));
  }

  /** @internal Whether a token is one that this name and client id were given. */
  isToken(key: DeviceKey, clientId: string, token: string): boolean {
    const right = this.#tokens.get(deviceId(key))?.get(clientId)?.deviceToken;
    return isSame(token, right ?? 'no such token') && right !== undefined;
  }

  /**
   * @internal A registered device that has not signed in yet gets a new secret; the last one is valid.
   * Rejects with a RegistrationRefusal, ERR_STATE_FULL or ERR_STATE.
   */
  async register(request: RegistrationRequest): Promise<Device> {
    this.#check(request);
    const device = this.#deps.devices.get(request);
    if (device === undefined) {
      throw new RegistrationRefusal(REGISTRATION.noDevice, 'the device is not registered');
    }
    if (isActivated(device)) throw activated();
    return this.#deps.devices.renewSecret(device);
  }

  /**
   * @internal A device, registered or not, gets a client id and a token. Rejects as `register` does.
   */
  async registerUnknown(request: RegistrationRequest): Promise<StoredToken> {
    this.#check(request);
    const { devices, store, clock } = this.#deps;
    const { productKey, deviceName } = request;
    const device = devices.get(request);
    // Whoever signs in by a secret of its own keeps its name.
    if (device !== undefined && isActivated(device) && this.#of(device).size === 0) {
      throw activated();
    }
    if (device === undefined) await this.#addDevice({ productKey, deviceName });
    if (this.#of(request).size >= MAX_TOKENS) {
      const reason = `${MAX_TOKENS} devices are registered by this name already`;
      throw new RegistrationRefusal(REGISTRATION.tooMany, reason);
    }
    const token: StoredToken = {
      productKey,
      deviceName,
      clientId: randomBytes(12).toString('hex'),
      deviceToken: randomBytes(24).toString('base64url'),
      createdAt: clock.now(),
    };
    this.#keep(token);
    try {
      await store.commit([{ kind: 'token', key: recordKey(token), record: token }]);
    } catch (error) {
      this.#of(token).delete(token.clientId);
      throw error;
    }
    return token;
  }

  #check(request: RegistrationRequest): void {
    const { productKey, deviceName, random, method, sign } = request;
    try {
      checkDeviceKey(request);
    } catch {
      throw parameters('productKey and deviceName must be names');
    }
    if (random === '' || random.length > MAX_RANDOM) {
      throw parameters(`random must be 1-${MAX_RANDOM} characters`);
    }
    if (sign === '') throw parameters('the signature is missing');
    if (!isSignMethod(method)) {
      const reason = 'signMethod must be hmacmd5, hmacsha1 or hmacsha256';
      throw new RegistrationRefusal(REGISTRATION.signMethod, reason);
    }
    const product = this.#product(productKey);
    const fields = { deviceName, productKey, random };
    const right = signatureOf(method, product.productSecret, fields);
    if (!isSame(sign.toLowerCase(), right)) {
      throw new RegistrationRefusal(REGISTRATION.signature, 'wrong signature');
    }
  }

  #product(productKey: string): Product {
    const product = this.#deps.products.get(productKey);
    if (product === undefined) {
      throw new RegistrationRefusal(REGISTRATION.noProduct, 'there is no such product');
    }
    if (product.dynamicRegistration) return product;
    const reason = "the product's dynamic registration is switched off";
    throw new RegistrationRefusal(REGISTRATION.switchedOff, reason);
  }

  /** Another one of the same name may be registering. */
  async #addDevice(key: DeviceKey): Promise<void> {
    try {
      await this.#deps.devices.add(key);
    } catch (error) {
      const isThere = error instanceof PlatformError && error.code === 'ERR_DEVICE_EXISTS';
      if (!isThere) throw error;
    }
  }

  #keep(token: StoredToken): void {
    const tokens = this.#of(token);
    this.#tokens.set(deviceId(token), tokens);
    tokens.set(token.clientId, token);
  }

  #of(key: DeviceKey): Map<string, StoredToken> {
    return this.#tokens.get(deviceId(key)) ?? new Map();
  }
}

/** Records of earlier versions do not say when their device first signed in. */
function isActivated({ activatedAt, versions }: Device): boolean {
  return activatedAt !== undefined || Object.keys(versions).length > 0;
}

function recordKey(token: DeviceToken): string {
  return `${deviceId(token)}/${token.clientId}`;
}

function parameters(reason: string): RegistrationRefusal {
  return new RegistrationRefusal(REGISTRATION.parameters, reason);
}

function activated(): RegistrationRefusal {
  const reason = 'the device has signed in already: reset it to let it register again';
  return new RegistrationRefusal(REGISTRATION.activated, reason);
}
