// Tested by platform/test/listen/ca.test.ts

import 'reflect-metadata';
import { randomBytes, webcrypto } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { isFull, messageOf, PlatformError } from '../base/errors';
import { writePrivate } from '../store/private-files';

/** A CA with the key that it signs by. */
export interface Authority {
  readonly certificate: x509.X509Certificate;
  readonly keys: webcrypto.CryptoKeyPair;
}

/** Where a CA is kept, and what it is called. */
export interface AuthorityFiles {
  readonly certificate: string;
  readonly key: string;
  readonly name: string;
}

/** What a certificate is to say. */
export interface CertificateRequest {
  readonly subject: string | x509.JsonName;
  readonly publicKey: webcrypto.CryptoKey;
  readonly notBefore: Date;
  readonly notAfter: Date;
  readonly extensions: readonly x509.Extension[];
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;
const CA_DAYS = 3650;
/** One this close to its end is made anew at the start. */
const RENEW_DAYS = 30;

/** The CA in a directory, which is made when there is none. */
export async function openAuthority(directory: string, files: AuthorityFiles): Promise<Authority> {
  return (await readAuthority(directory, files)) ?? (await newAuthority(directory, files));
}

/** A certificate that the CA has signed. */
export async function certify(
  authority: Authority,
  { extensions, ...request }: CertificateRequest,
): Promise<x509.X509Certificate> {
  const { certificate, keys } = authority;
  const issuedBy = await x509.AuthorityKeyIdentifierExtension.create(
    keys.publicKey,
    false,
    crypto(),
  );
  return x509.X509CertificateGenerator.create(
    {
      ...request,
      serialNumber: newSerial(),
      issuer: certificate.subject,
      signingAlgorithm: ALGORITHM,
      signingKey: keys.privateKey,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        ...extensions,
        issuedBy,
      ],
    },
    crypto(),
  );
}

export function newKeys(): Promise<webcrypto.CryptoKeyPair> {
  return webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
}

export async function privatePem({ privateKey }: webcrypto.CryptoKeyPair): Promise<string> {
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', privateKey);
  return x509.PemConverter.encode(pkcs8, 'PRIVATE KEY');
}

/** A day of grace for clocks that differ. */
export function validity(now: number, days: number): { notBefore: Date; notAfter: Date } {
  return { notBefore: new Date(now - DAY_MS), notAfter: new Date(now + days * DAY_MS) };
}

/** Does what has to do with certificates; what fails is ERR_TLS, unless there is no room. */
export async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // That is no matter of certificates.
    if (isFull(error)) throw error;
    throw new PlatformError('ERR_TLS', `cannot make a certificate: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function readAuthority(
  directory: string,
  files: AuthorityFiles,
): Promise<Authority | undefined> {
  let texts: [string, string];
  try {
    texts = await Promise.all([
      readFile(join(directory, files.certificate), 'utf8'),
      readFile(join(directory, files.key), 'utf8'),
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

async function newAuthority(directory: string, files: AuthorityFiles): Promise<Authority> {
  const keys = await newKeys();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: newSerial(),
      name: `CN=${files.name} ${randomBytes(3).toString('hex')}`,
      ...validity(Date.now(), CA_DAYS),
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
  await writePrivate(join(directory, files.key), await privatePem(keys));
  await writePrivate(join(directory, files.certificate), certificate.toString('pem'), 0o644);
  return { certificate, keys };
}

/** Positive, 127 bits at most. */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] as number) & 0x3f) | 0x40;
  return bytes.toString('hex');
}

function crypto(): webcrypto.Crypto {
  return webcrypto;
}
