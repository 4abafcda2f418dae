import type { Clock } from '../base/clock';
import { invalid, PlatformError } from '../base/errors';
import type { Devices } from '../devices/devices';
import { deviceId } from '../devices/names';
import type { Products } from '../devices/products';
import type { DeviceCa } from '../listen/device-ca';
import type { Store } from '../store/store';
import type { DeviceKey } from '../types/device';
import {
  type Authorities,
  checkRsa,
  fingerprintOf,
  parseCertificate,
  validUntil,
} from './authorities';

/** A certificate that a device was issued, or that was registered for it. */
export interface DeviceCertificate extends DeviceKey {
  /** Hex digits. */
  readonly serial: string;
  /** SHA-256 of the certificate, hex digits. */
  readonly fingerprint: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly notAfter: number;
  /** When it was revoked; absent while it is not. */
  readonly revokedAt?: number;
  /** The id of the registered CA that has issued it; absent where the platform has. */
  readonly authority?: string;
}

/** A certificate with its key, which is kept nowhere: it is given out this once. */
export interface IssuedCertificate extends DeviceCertificate {
  /** PEM. */
  readonly certificate: string;
  /** PEM. */
  readonly key: string;
}

interface Dependencies {
  readonly store: Store;
  readonly clock: Clock;
  readonly ca: DeviceCa;
  readonly authorities: Authorities;
  readonly products: Products;
  readonly devices: Devices;
  /** Ends a device's connection. */
  readonly disconnect: (key: DeviceKey) => void;
}

const DEFAULT_DAYS = 3650;

/** Certificates of devices whose products authenticate by X.509. */
export class Certificates {
  readonly #deps: Dependencies;
  readonly #bySerial = new Map<string, DeviceCertificate>();
  readonly #byFingerprint = new Map<string, string>();

  constructor(deps: Dependencies) {
    this.#deps = deps;
  }

  /** @internal */
  async load(): Promise<void> {
    const { store } = this.#deps;
    for (const each of await store.load<DeviceCertificate>('certificate')) this.#set(each);
  }

  /** PEM of the CA that they are issued by. */
  get ca(): string {
    return this.#deps.ca.certificate;
  }

  /**
   * Issues a certificate, beside those that the device has. `days` is 1-36,500, by default 3650.
   * Rejects with ERR_DEVICE_UNKNOWN, ERR_INVALID_ARGUMENT (also for a product that does not authenticate
   * so), ERR_TLS, ERR_STATE_FULL, ERR_STATE.
   */
  async issue(
    key: DeviceKey,
    { days = DEFAULT_DAYS }: { readonly days?: number } = {},
  ): Promise<IssuedCertificate> {
    const { store, clock, ca } = this.#deps;
    const { productKey, deviceName } = key;
    if (!Number.isInteger(days) || days < 1 || days > 36_500) {
      throw invalid('days must be a whole number 1-36500');
    }
    this.#expectDevice(key);
    const subject = [{ CN: [deviceName] }, { O: [productKey] }];
    const { certificate, key: privateKey, ...names } = await ca.issue(subject, clock.now(), days);
    const record: DeviceCertificate = { productKey, deviceName, ...names, createdAt: clock.now() };
    await store.commit([{ kind: 'certificate', key: record.serial, record }]);
    this.#set(record);
    return { ...record, certificate, key: privateKey };
  }

  /**
   * Registers a device's certificate (PEM) that a registered CA has issued: RSA, like that CA. Rejects
   * with ERR_DEVICE_UNKNOWN, ERR_INVALID_ARGUMENT (also for a product that does not authenticate so),
   * ERR_CERTIFICATE_EXISTS, ERR_STATE_FULL, ERR_STATE.
   */
  async register(key: DeviceKey, pem: string): Promise<DeviceCertificate> {
    const { store, clock, authorities } = this.#deps;
    this.#expectDevice(key);
    const certificate = parseCertificate('certificate', pem);
    checkRsa('certificate', certificate);
    const issuer = authorities.issuerOf(certificate);
    if (issuer === undefined) {
      throw invalid('certificate was issued by no registered CA: register that first');
    }
    const serial = certificate.serialNumber.toLowerCase();
    const fingerprint = fingerprintOf(certificate);
    if (this.#bySerial.has(serial)) {
      const text = `a certificate with the serial number ${serial} is there already`;
      throw new PlatformError('ERR_CERTIFICATE_EXISTS', text);
    }
    const { productKey, deviceName } = key;
    const record: DeviceCertificate = {
      productKey,
      deviceName,
      serial,
      fingerprint,
      createdAt: clock.now(),
      notAfter: validUntil(certificate),
      authority: issuer.id,
    };
    await store.commit([{ kind: 'certificate', key: serial, record }]);
    this.#set(record);
    return record;
  }

  /** Those of a device, or all; oldest first. The revoked ones are among them. */
  list(key?: DeviceKey): DeviceCertificate[] {
    return [...this.#bySerial.values()]
      .filter((each) => key === undefined || deviceId(each) === deviceId(key))
      .sort((a, b) => a.createdAt - b.createdAt);
  }

  /**
   * Revokes a certificate, for ever, and ends its device's connection. Rejects with
   * ERR_CERTIFICATE_UNKNOWN, ERR_STATE_FULL, ERR_STATE.
   */
  async revoke(serial: string): Promise<void> {
    const { store, clock, disconnect } = this.#deps;
    const before = this.#bySerial.get(serial);
    if (before === undefined) {
      throw new PlatformError('ERR_CERTIFICATE_UNKNOWN', `there is no certificate ${serial}`);
    }
    if (before.revokedAt !== undefined) return;
    const record = { ...before, revokedAt: clock.now() };
    await store.commit([{ kind: 'certificate', key: serial, record }]);
    this.#set(record);
    disconnect(before);
  }

  /** @internal The device is removed. */
  forget(key: DeviceKey): void {
    for (const { serial, fingerprint } of this.list(key)) {
      this.#bySerial.delete(serial);
      this.#byFingerprint.delete(fingerprint);
      this.#deps.store.remove('certificate', serial);
    }
  }

  /** @internal Whose certificate this is, valid or not; undefined for one of another CA. */
  find(fingerprint: string): DeviceCertificate | undefined {
    return this.#bySerial.get(this.#byFingerprint.get(fingerprint) ?? '');
  }

  /** @internal Why a certificate proves nothing; undefined when it does. */
  flawOf({ revokedAt, notAfter, authority }: DeviceCertificate): string | undefined {
    if (revokedAt !== undefined) return 'the certificate is revoked';
    if (authority !== undefined && !this.#deps.authorities.has(authority)) {
      return 'the CA of the certificate is not registered any longer';
    }
    return this.#deps.clock.now() > notAfter ? 'the certificate has expired' : undefined;
  }

  /** @internal A registered CA is gone: what rests on it ends. */
  authorityRemoved(id: string): void {
    for (const each of this.list()) if (each.authority === id) this.#deps.disconnect(each);
  }

  #expectDevice(key: DeviceKey): void {
    const { devices, products } = this.#deps;
    const { productKey } = key;
    if (devices.get(key) === undefined) {
      throw new PlatformError('ERR_DEVICE_UNKNOWN', `there is no device ${deviceId(key)}`);
    }
    if (products.get(productKey)?.authentication === 'x509') return;
    throw invalid(
      `product ${productKey} does not authenticate by X.509: make it with authentication 'x509'`,
    );
  }

  #set(certificate: DeviceCertificate): void {
    this.#bySerial.set(certificate.serial, certificate);
    this.#byFingerprint.set(certificate.fingerprint, certificate.serial);
  }
}
