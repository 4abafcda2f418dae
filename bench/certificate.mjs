// What a server on loopback shows.
import { execFileSync } from 'node:child_process';
import path from 'node:path';

/** A certificate for localhost that is its own CA. */
export function issue(directory) {
  const file = path.join(directory, 'certificate.pem');
  const key = path.join(directory, 'key.pem');
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const out = ['-days', '2', '-keyout', key, '-out', file];
  execFileSync('openssl', ['req', '-x509', ...curve, ...name, ...out], { stdio: 'ignore' });
  return { file, key };
}
