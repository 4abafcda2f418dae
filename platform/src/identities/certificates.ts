import type { Clock } from '../base/clock';
import { invalid, PlatformError } from '../base/errors';
import type { Devices } from '../devices/devices';
import { deviceId } from '../devices/names';
import type { Products } from '../devices/products';
import type { DeviceCa } from '../listen/device-ca';
import type { Store } from '../store/store';
import type { DeviceKey } from '../types/device';

/** A certificate that a device was issued. */
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
    const { store, clock, ca, devices, products } = this.#deps;
    const { productKey, deviceName } = key;
    if (!Number.isInteger(days) || days < 1 || days > 36_500) {
      throw invalid('days must be a whole number 1-36500');
    }
    if (devices.get(key) === undefined) {
      throw new PlatformError('ERR_DEVICE_UNKNOWN', `there is no device ${deviceId(key)}`);
    }
    if (products.get(productKey)?.authentication !== 'x509') {
      throw invalid(
        `product ${productKey} does not authenticate by X.509: make it with authentication 'x509'`,
      );
    }
    const subject = [{ CN: [deviceName] }, { O: [productKey] }];
    const { certificate, key: privateKey, ...names } = await ca.issue(subject, clock.now(), days);
    const record: DeviceCertificate = { productKey, deviceName, ...names, createdAt: clock.now() };
    await store.commit([{ kind: 'certificate', key: record.serial, record }]);
    this.#set(record);
    return { ...record, certificate, key: privateKey };
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
  flawOf({ revokedAt, notAfter }: DeviceCertificate): string | undefined {
    if (revokedAt !== undefined) return 'the certificate is revoked';
    return this.#deps.clock.now() > notAfter ? 'the certificate has expired' : undefined;
  }

  #set(certificate: DeviceCertificate): void {
    this.#bySerial.set(certificate.serial, certificate);
    this.#byFingerprint.set(certificate.fingerprint, certificate.serial);
  }
}
