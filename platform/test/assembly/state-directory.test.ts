import { X509Certificate } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { settingsOf } from '../../src/assembly/options';
import { Shutdown } from '../../src/assembly/shutdown';
import { openStateDirectory, type StateDirectory } from '../../src/assembly/state-directory';
import { ManualClock } from '../../src/base/clock';
import { Events } from '../../src/events/events';
import type { PlatformOptions } from '../../src/index';
import { atEnd } from '../support/clean-up';
import { temporaryFolder } from '../support/start';

async function open(options: PlatformOptions): Promise<[StateDirectory, () => Promise<void>]> {
  const shutdown = new Shutdown(new Events(new ManualClock()));
  let closed: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closed ??= shutdown.run();
    return closed;
  };
  atEnd(close);
  return [await openStateDirectory(settingsOf(options), shutdown), close];
}

test('key, token and CA are the same at the next start', async () => {
  const stateDir = await temporaryFolder();
  const [first, close] = await open({ stateDir });
  await close();
  const [second] = await open({ stateDir });
  expect([second.path, second.operatorToken]).toEqual([stateDir, first.operatorToken]);
  expect(second.urlKey).toEqual(first.urlKey);
  expect(second.identity.ca).toBe(first.identity.ca);
});

test('a directory that nobody named is private, and removed at the end', async () => {
  const [{ path }, close] = await open({});
  expect((await stat(path)).mode & 0o777).toBe(0o700);
  await close();
  await expect(stat(path)).rejects.toMatchObject({ code: 'ENOENT' });
});

test('the certificate has the names that the platform answers to', async () => {
  const [{ identity }] = await open({ host: '0.0.0.0', publicHost: 'ota.example' });
  const certificate = new X509Certificate(identity.cert);
  expect(certificate.subjectAltName).toBe(
    'DNS:localhost, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, DNS:ota.example',
  );
});

test('what the caller brings is used', async () => {
  const tls = { ca: 'a', cert: 'b', key: 'c' };
  const [{ identity, operatorToken }] = await open({ tls, operatorToken: 'token' });
  expect([identity, operatorToken]).toEqual([tls, 'token']);
});
