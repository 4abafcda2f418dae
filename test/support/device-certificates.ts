import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runWell } from './process';

/** PEM texts. */
export interface DeviceCertificate {
  readonly cert: string;
  readonly key: string;
}

export interface DeviceCertificates {
  readonly ca: string;
  /** The CA's list of what it has revoked. */
  readonly crl: string;
  readonly good: DeviceCertificate;
  /** With an RSA key. */
  readonly rsa: DeviceCertificate;
  readonly expired: DeviceCertificate;
  readonly revoked: DeviceCertificate;
  /** A TLS server that takes certificates of the CA alone and refuses by TLS alerts; nothing answers behind it. */
  serve(): Promise<CertificateServer>;
}

export interface CertificateServer extends AsyncDisposable {
  readonly port: number;
  readonly ca: string;
}

const CONFIG = `
[ca]
default_ca = own
[own]
database = index.txt
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
serial = serial
default_md = sha256
default_days = 1
default_crl_days = 1
policy = any
[any]
commonName = supplied
`;

/** A CA of its own, and certificates of devices whose common name is `name`; by openssl's command line. */
export async function deviceCertificates(
  directory: string,
  name: string,
): Promise<DeviceCertificates> {
  await mkdir(directory, { recursive: true });
  const openssl = (...args: string[]): Promise<string> =>
    runWell('openssl', args, { cwd: directory });
  const read = (file: string): Promise<string> => readFile(path.join(directory, file), 'utf8');
  const common = name.replace('/', '\\/');
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  await writeFile(path.join(directory, 'config'), CONFIG);
  await writeFile(path.join(directory, 'index.txt'), '');
  await writeFile(path.join(directory, 'index.txt.attr'), 'unique_subject = no\n');
  await writeFile(path.join(directory, 'serial'), '01\n');
  const subject = ['-subj', `/CN=CA of ${common}`, '-days', '1'];
  await openssl('req', '-x509', ...newKey, '-keyout', 'ca.key', '-out', 'ca.pem', ...subject);

  const issue = async (
    file: string,
    validity: readonly string[] = [],
    withKey: readonly string[] = newKey,
  ): Promise<DeviceCertificate> => {
    const request = ['-keyout', `${file}.key`, '-out', `${file}.csr`, '-subj', `/CN=${common}`];
    await openssl('req', ...withKey, ...request);
    const issued = ['-in', `${file}.csr`, '-out', `${file}.pem`, '-notext', '-batch'];
    await openssl('ca', '-config', 'config', ...issued, ...validity);
    return { cert: await read(`${file}.pem`), key: await read(`${file}.key`) };
  };
  const good = await issue('good');
  const past = ['-startdate', '20200101000000Z', '-enddate', '20200102000000Z'];
  const rsa = await issue('rsa', [], ['-newkey', 'rsa:2048', '-nodes']);
  const expired = await issue('expired', past);
  const revoked = await issue('revoked');
  await openssl('ca', '-config', 'config', '-revoke', 'revoked.pem');
  await openssl('ca', '-config', 'config', '-gencrl', '-out', 'crl.pem');

  const serve = async (): Promise<CertificateServer> => {
    const names = ['-addext', 'subjectAltName=IP:127.0.0.1', '-subj', '/CN=server', '-days', '1'];
    const own = ['-keyout', 'server.key', '-out', 'server.pem'];
    await openssl('req', '-x509', ...newKey, ...own, ...names);
    const identity = ['-cert', 'server.pem', '-key', 'server.key', '-accept', '127.0.0.1:0'];
    const clients = ['-CAfile', 'ca.pem', '-CRL', 'crl.pem', '-crl_check'];
    const strict = ['-Verify', '1', '-verify_return_error'];
    const child = spawn('openssl', ['s_server', ...identity, ...clients, ...strict], {
      cwd: directory,
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    let said = '';
    for await (const text of child.stdout.setEncoding('utf8')) {
      said += text;
      if (/ACCEPT .*:\d+\n/.test(said)) break;
    }
    return {
      port: Number(/ACCEPT .*:(\d+)\n/.exec(said)?.[1]),
      ca: await read('server.pem'),
      [Symbol.asyncDispose]: async () => {
        child.kill('SIGKILL');
        await once(child, 'close');
      },
    };
  };
  return {
    ca: await read('ca.pem'),
    crl: await read('crl.pem'),
    good,
    rsa,
    expired,
    revoked,
    serve,
  };
}
