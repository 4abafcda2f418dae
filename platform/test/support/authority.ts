import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import * as x509 from '@peculiar/x509';

const DAY_MS = 86_400_000;
const HASH = { hash: 'SHA-256' } as const;
const RSA = {
  ...HASH,
  name: 'RSASSA-PKCS1-v1_5',
  modulusLength: 2048,
  publicExponent: new Uint8Array([1, 0, 1]),
} as const;
const EC = { ...HASH, name: 'ECDSA', namedCurve: 'P-256' } as const;

type Keys = webcrypto.CryptoKeyPair;

/** A certificate and its key, PEM. */
export interface TestCertificate {
  readonly certificate: string;
  readonly key: string;
}

/** What a certificate is to be like; the default is good. */
export interface CertificateOptions {
  readonly isEc?: boolean;
  readonly isCa?: boolean;
  /** From now on; negative: it has expired. */
  readonly days?: number;
}

/** A CA of an operator's own. */
export class TestAuthority {
  readonly certificate: string;
  readonly #issuer: x509.X509Certificate;
  readonly #keys: Keys;

  private constructor(issuer: x509.X509Certificate, keys: Keys) {
    this.#issuer = issuer;
    this.#keys = keys;
    this.certificate = issuer.toString('pem');
  }

  static async make({
    isEc = false,
    isCa = true,
    days = 30,
  }: CertificateOptions = {}): Promise<TestAuthority> {
    const keys = await newKeys(isEc);
    const certificate = await x509.X509CertificateGenerator.createSelfSigned(
      {
        serialNumber: newSerial(),
        name: 'CN=factory CA,O=maker',
        ...validity(days),
        signingAlgorithm: isEc ? EC : RSA,
        keys,
        extensions: [new x509.BasicConstraintsExtension(isCa, undefined, true)],
      },
      webcrypto,
    );
    return new TestAuthority(certificate, keys);
  }

  async issue(
    commonName: string,
    { isEc = false, days = 30 }: CertificateOptions = {},
  ): Promise<TestCertificate> {
    const keys = await newKeys(isEc);
    const certificate = await x509.X509CertificateGenerator.create(
      {
        serialNumber: newSerial(),
        subject: `CN=${commonName}`,
        issuer: this.#issuer.subject,
        ...validity(days),
        signingAlgorithm: this.#keys.privateKey.algorithm.name === 'ECDSA' ? EC : RSA,
        signingKey: this.#keys.privateKey,
        publicKey: keys.publicKey,
      },
      webcrypto,
    );
    const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
    return {
      certificate: certificate.toString('pem'),
      key: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY'),
    };
  }
}

function newKeys(isEc: boolean): Promise<Keys> {
  return webcrypto.subtle.generateKey(isEc ? EC : RSA, true, ['sign', 'verify']);
}

function newSerial(): string {
  return `40${randomBytes(15).toString('hex')}`;
}

function validity(days: number): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return {
    notBefore: new Date(now - 100 * DAY_MS),
    notAfter: new Date(now + days * DAY_MS),
  };
}
