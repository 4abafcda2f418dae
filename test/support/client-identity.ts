import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { runWell } from './process';

/** PEM texts. */
export interface ClientIdentity {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  /** The same key, encrypted. */
  readonly encryptedKey: string;
}

/** A CA of its own, and a certificate it has issued to a client; by openssl's command line. */
export async function clientIdentity(
  directory: string,
  name: string,
  passphrase: string,
): Promise<ClientIdentity> {
  await mkdir(directory, { recursive: true });
  const openssl = (...args: string[]): Promise<string> =>
    runWell('openssl', args, { cwd: directory });
  const read = (file: string): Promise<string> => readFile(path.join(directory, file), 'utf8');
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const ca = ['-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=clients', '-days', '1'];
  await openssl('req', '-x509', ...newKey, ...ca);
  await openssl('req', ...newKey, '-keyout', 'key.pem', '-out', 'request', '-subj', `/CN=${name}`);
  const issuer = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '1'];
  await openssl('x509', '-req', '-in', 'request', ...issuer, '-out', 'cert.pem');
  const encrypted = ['-aes256', '-passout', `pass:${passphrase}`, '-out', 'encrypted.pem'];
  await openssl('pkey', '-in', 'key.pem', ...encrypted);
  return {
    ca: await read('ca.pem'),
    cert: await read('cert.pem'),
    key: await read('key.pem'),
    encryptedKey: await read('encrypted.pem'),
  };
}
