import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { isFull, messageOf, PlatformError } from '../base/errors';
import { writePrivate } from '../store/private-files';

/** PEM texts of a server identity. */
export interface TlsIdentity {
  /** What clients have to trust. */
  readonly ca: string;
  readonly key: string;
  readonly cert: string;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;
const CA_DAYS = 3650;
/** The longest that clients of today accept. */
const SERVER_DAYS = 397;
/** An identity this close to its end is made anew at the start. */
const RENEW_DAYS = 30;

const CA_FILE = 'ca.pem';
const CA_KEY_FILE = 'ca-key.pem';

interface Authority {
  readonly certificate: x509.X509Certificate;
  readonly keys: webcrypto.CryptoKeyPair;
}

/**
 * An identity for this machine, signed by an own CA that is made on the first start and kept in the
 * directory, so that clients keep trusting it. `names` are host names and addresses to answer to.
 */
export async function localIdentity(
  directory: string,
  names: readonly string[],
): Promise<TlsIdentity> {
  try {
    const authority = (await readAuthority(directory)) ?? (await newAuthority(directory));
    const { certificate, key } = await issue(authority, names);
    return { ca: authority.certificate.toString('pem'), cert: certificate, key };
  } catch (error) {
    // That is no matter of certificates.
    if (isFull(error)) throw error;
    throw new PlatformError('ERR_TLS', `cannot make a certificate: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function readAuthority(directory: string): Promise<Authority | undefined> {
  let texts: [string, string];
  try {
    texts = await Promise.all([
      readFile(join(directory, CA_FILE), 'utf8'),
      readFile(join(directory, CA_KEY_FILE), 'utf8'),
    ]);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
  const certificate = new x509.X509Certificate(texts[0]);
  if (certificate.notAfter.getTime() - Date.now() < RENEW_DAYS * DAY_MS) return undefined;
  const pkcs8 = x509.PemConverter.decodeFirst(texts[1]);
  const privateKey = await webcrypto.subtle.importKey('pkcs8', pkcs8, ALGORITHM, true, ['sign']);
  const publicKey = await certificate.publicKey.export(ALGORITHM, ['verify'], crypto());
  return { certificate, keys: { privateKey, publicKey: publicKey as webcrypto.CryptoKey } };
}

async function newAuthority(directory: string): Promise<Authority> {
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: serial(),
      name: `CN=iotkit-ota-platform local CA ${randomBytes(3).toString('hex')}`,
      ...validity(CA_DAYS),
      signingAlgorithm: ALGORITHM,
      keys: keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(
          x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
          true,
        ),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey, false, crypto()),
      ],
    },
    crypto(),
  );
  await writePrivate(join(directory, CA_KEY_FILE), await privatePem(keys));
  await writePrivate(join(directory, CA_FILE), certificate.toString('pem'), 0o644);
  return { certificate, keys };
}

async function issue(
  authority: Authority,
  names: readonly string[],
): Promise<{ certificate: string; key: string }> {
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.create(
    {
      serialNumber: serial(),
      subject: 'CN=localhost',
      issuer: authority.certificate.subject,
      ...validity(SERVER_DAYS),
      signingAlgorithm: ALGORITHM,
      publicKey: keys.publicKey,
      signingKey: authority.keys.privateKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension(
          [...new Set(names)].map((value) => ({ type: isIP(value) ? 'ip' : 'dns', value })),
        ),
        await x509.AuthorityKeyIdentifierExtension.create(
          authority.keys.publicKey,
          false,
          crypto(),
        ),
      ],
    },
    crypto(),
  );
  return { certificate: certificate.toString('pem'), key: await privatePem(keys) };
}

function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

async function privatePem(keys: webcrypto.CryptoKeyPair): Promise<string> {
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return x509.PemConverter.encode(pkcs8, 'PRIVATE KEY');
}

/** A day of grace for clocks that differ. */
function validity(days: number): { notBefore: Date; notAfter: Date } {
  const now = Date.now();
  return { notBefore: new Date(now - DAY_MS), notAfter: new Date(now + days * DAY_MS) };
}

/** Positive, 127 bits at most. */
function serial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] as number) & 0x3f) | 0x40;
  return bytes.toString('hex');
}

function crypto(): webcrypto.Crypto {
  return webcrypto;
}
