import { writeFile } from 'node:fs/promises';
import { findServer } from '../../src/cli/find-server';
import { atEnd } from '../support/clean-up';
import { temporaryFolder } from '../support/start';

let stateDir: string;

function setToken(token: string | undefined): void {
  if (token === undefined) delete process.env.IOTKIT_PLATFORM_TOKEN;
  else process.env.IOTKIT_PLATFORM_TOKEN = token;
}

beforeEach(async () => {
  stateDir = await temporaryFolder();
  const before = process.env.IOTKIT_PLATFORM_TOKEN;
  setToken(undefined);
  atEnd(() => setToken(before));
});

test('a running platform is found by its state directory', async () => {
  const apiUrl = 'http://127.0.0.1:1/api';
  await writeFile(`${stateDir}/server.json`, JSON.stringify({ pid: 1, apiUrl }));
  await writeFile(`${stateDir}/operator-token`, 'kept\n');
  expect(await findServer({ stateDir })).toEqual({ url: apiUrl, token: 'kept' });
});

test('flags and environment come first', async () => {
  await writeFile(`${stateDir}/server.json`, '{"apiUrl":"http://other/api"}');
  await writeFile(`${stateDir}/token`, 'file');
  await writeFile(`${stateDir}/mine.pem`, 'PEM');
  const options = { stateDir, tokenFile: `${stateDir}/token`, ca: `${stateDir}/mine.pem` };
  const url = 'https://host:1/';
  const server = { url: 'https://host:1/api', token: 'file', ca: 'PEM' };
  expect(await findServer({ ...options, url })).toEqual(server);
  setToken('environment');
  expect(await findServer({ ...options, url })).toEqual({ ...server, token: 'environment' });
});

test('with https, the CA of the state directory is trusted if there is one', async () => {
  setToken('t');
  const url = 'https://host/api';
  expect(await findServer({ stateDir, url })).toEqual({ url, token: 't' });
  await writeFile(`${stateDir}/ca.pem`, 'PEM');
  expect(await findServer({ stateDir, url })).toEqual({ url, token: 't', ca: 'PEM' });
});

test('nothing to find is an error that says what to set', async () => {
  await expect(findServer({ stateDir })).rejects.toMatchObject({
    name: 'UnreachableError',
    message: expect.stringContaining('--state-dir or --url'),
  });
  await expect(findServer({ stateDir, url: 'http://x' })).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
    message: expect.stringContaining('IOTKIT_PLATFORM_TOKEN'),
  });
});
