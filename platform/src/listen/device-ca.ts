import 'reflect-metadata';
import { webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import { type Authority, certify, guarded, openAuthority, privatePem, validity } from './authority';

/** A device's certificate with the key that nobody else has. */
export interface IssuedIdentity {
  /** PEM. */
  readonly certificate: string;
  /** PEM. */
  readonly key: string;
  /** Hex digits. */
  readonly serial: string;
  /** SHA-256 of the certificate, hex digits. */
  readonly fingerprint: string;
  /** Milliseconds since the epoch. */
  readonly notAfter: number;
}

const FILES = {
  certificate: 'device-ca.pem',
  key: 'device-ca-key.pem',
  name: 'iotkit-ota-platform device CA',
} as const;
/** What devices of every kind can work with. */
const RSA = {
  name: 'RSASSA-PKCS1-v1_5',
  modulusLength: 2048,
  publicExponent: new Uint8Array([1, 0, 1]),
  hash: 'SHA-256',
} as const;

/** The CA that devices' certificates are issued by; kept beside the one of the server. */
export class DeviceCa {
  /** PEM. */
  readonly certificate: string;
  readonly #authority: Authority;

  private constructor(authority: Authority) {
    this.#authority = authority;
    this.certificate = authority.certificate.toString('pem');
  }

  /** Rejects with ERR_TLS. */
  static open(directory: string): Promise<DeviceCa> {
    return guarded(async () => new DeviceCa(await openAuthority(directory, FILES)));
  }

  /** Valid for so many days from `now`, milliseconds since the epoch. Rejects with ERR_TLS. */
  issue(subject: x509.JsonName, now: number, days: number): Promise<IssuedIdentity> {
    return guarded(async () => {
      const keys = await webcrypto.subtle.generateKey(RSA, true, ['sign', 'verify']);
      const certificate = await certify(this.#authority, {
        subject,
        publicKey: keys.publicKey,
        ...validity(now, days),
        extensions: [
          new x509.KeyUsagesExtension(
            x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyEncipherment,
            true,
          ),
          new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
        ],
      });
      const digest = await webcrypto.subtle.digest('SHA-256', certificate.rawData);
      return {
        certificate: certificate.toString('pem'),
        key: await privatePem(keys),
        serial: certificate.serialNumber,
        fingerprint: Buffer.from(digest).toString('hex'),
        notAfter: certificate.notAfter.getTime(),
      };
    });
  }
}
