import 'reflect-metadata';
import { isIP } from 'node:net';
import * as x509 from '@peculiar/x509';
import { certify, guarded, newKeys, openAuthority, privatePem, validity } from './authority';

/** PEM texts of a server identity. */
export interface TlsIdentity {
  /** What clients have to trust. */
  readonly ca: string;
  readonly key: string;
  readonly cert: string;
}

/** The longest that clients of today accept. */
const SERVER_DAYS = 397;
const FILES = {
  certificate: 'ca.pem',
  key: 'ca-key.pem',
  name: 'iotkit-ota-platform local CA',
} as const;

/**
 * An identity for this machine, signed by an own CA that is made on the first start and kept in the
 * directory, so that clients keep trusting it. `names` are host names and addresses to answer to.
 */
export function localIdentity(directory: string, names: readonly string[]): Promise<TlsIdentity> {
  return guarded(async () => {
    const authority = await openAuthority(directory, FILES);
    const keys = await newKeys();
    const certificate = await certify(authority, {
      subject: 'CN=localhost',
      publicKey: keys.publicKey,
      ...validity(Date.now(), SERVER_DAYS),
      extensions: [
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension(
          [...new Set(names)].map((value) => ({ type: isIP(value) ? 'ip' : 'dns', value })),
        ),
      ],
    });
    return {
      ca: authority.certificate.toString('pem'),
      cert: certificate.toString('pem'),
      key: await privatePem(keys),
    };
  });
}
