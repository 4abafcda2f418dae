// `iotkit-ota download` as a user runs it: the built package in a process of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { rateOf } from '../../lib/cli/download';
import { remoteSize } from '../../lib/cli/image/remote-size';
import { partOf } from '../../lib/delta/parts';
import { deltaOf, relatedImages } from '../support/delta';
import { imageOf, sha256 } from '../support/image';
import { type Ended, run } from '../support/process';
import { startProxy } from '../support/proxy';
import { RangedServer } from '../support/ranged-server';
import { World } from '../support/world';

const program = path.resolve(__dirname, '..', '..', 'dist', 'cli', 'index.js');
const image = imageOf(3_000_001);
const digest = sha256(image);

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-test-'));
});
afterEach(() => rm(folder, { recursive: true }));

const at = (name: string): string => path.join(folder, name);
const download = (...args: string[]): Promise<Ended> =>
  run(process.execPath, [program, 'download', ...args], { cwd: folder });

test('an image under the name in its URL, whole and verified', async () => {
  await using server = await RangedServer.open(image);
  const done = await download(`${server.url}/fw-2.bin?Signature=x`, '--sha256', digest);
  expect(done).toMatchObject({ code: 0, stderr: '' });
  expect(done.stdout).toBe(`${at('fw-2.bin')}: ${image.length} bytes, sha256:${digest}\n`);
  expect(image.equals(await readFile(at('fw-2.bin')))).toBe(true);
  expect(await readdir(folder)).toEqual(['fw-2.bin']);
});

test('side by side, bounded, as JSON', async () => {
  await using server = await RangedServer.open(image);
  const speed = ['--connections', '3', '--limit-rate', '100M'];
  const done = await download(server.url, '-o', 'x', '--sha256', digest, '--json', ...speed);
  expect(done).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(done.stdout)).toEqual({
    ...{ schema: 1, ok: true, path: at('x'), size: image.length, resumed: 0 },
    digest: `sha256:${digest}`,
  });
  expect(server.asked.length).toBeGreaterThan(2);
});

test('what the platform announces, over TLS, by a description', async () => {
  await using world = await World.open();
  const { upgrade } = await world.announce(image);
  await writeFile(at('ca.pem'), world.platform.ca);
  const args = [upgrade.url, '--ca', at('ca.pem'), '-o', at('x')];
  expect(await download(...args, '--sha256', digest)).toMatchObject({ code: 0, stderr: '' });
  expect(
    await download(upgrade.url, '-o', at('y'), '--sha256', digest, '--size', '3000001'),
  ).toMatchObject({ code: 69, stderr: expect.stringContaining('ERR_TLS_CERTIFICATE') });
});

test('a description that is signed is enough, one that is not needs a digest', async () => {
  await using server = await RangedServer.open(image);
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await writeFile(at('key.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
  const signature = sign('sha256', Buffer.from(digest, 'hex'), privateKey);
  const notice = { version: '2.0.0', size: image.length, signMethod: 'SHA256', sign: digest };
  const write = (more: object): Promise<void> =>
    writeFile(at('image.json'), JSON.stringify({ id: 1, data: { ...notice, ...more } }));
  const args = [server.url, '-o', 'x', '--description', 'image.json'];
  const keys = ['--public-key', 'key.pem'];
  await write({});
  const unsigned = await download(...args, ...keys);
  expect(unsigned).toMatchObject({ code: 2, stderr: expect.stringContaining('is not signed') });
  await write({ digestsign: signature.toString('base64') });
  const blind = await download(...args);
  expect(blind).toMatchObject({ code: 2, stderr: expect.stringContaining('no public key') });
  const unverified = await download(...args, '--sha256', digest, '--signature', 'image.json');
  expect(unverified).toMatchObject({ code: 2, stderr: expect.stringContaining('--public-key') });
  await write({ digestsign: `${signature.toString('base64').slice(0, -8)}AAAAAAA=` });
  const forged = await download(...args, ...keys);
  expect(forged).toMatchObject({ code: 65, stderr: expect.stringContaining('ERR_SIGNATURE') });
  expect(await readdir(folder)).toEqual(['image.json', 'key.pem']);
  await write({ digestsign: signature.toString('base64') });
  expect(await download(...args, ...keys)).toMatchObject({ code: 0, stderr: '' });
  expect(image.equals(await readFile(at('x')))).toBe(true);
});

test('a difference is applied to what is there', async () => {
  const { old, image: whole } = relatedImages(5, 60_000);
  await writeFile(at('old'), old);
  await writeFile(at('new'), whole);
  const make = ['delta', 'make', 'old', 'new', '-o', 'delta'];
  expect(await run(process.execPath, [program, ...make], { cwd: folder })).toMatchObject({
    code: 0,
  });
  const delta = await readFile(at('delta'));
  await using server = await RangedServer.open(delta);
  const args = [server.url, '--sha256', sha256(delta), '-o', 'x'];
  expect(await download(...args, '--delta-base', 'old')).toMatchObject({ code: 0, stderr: '' });
  expect(whole.equals(await readFile(at('x')))).toBe(true);
  const wrong = await download(...args, '--delta-base', 'new');
  expect(wrong).toMatchObject({ code: 65, stderr: expect.stringContaining('ERR_DELTA_BASE') });
});

/** Resolves when the file has grown to so many bytes; rejects when who writes it has ended. */
async function grown(file: string, bytes: number, writer: ChildProcess): Promise<void> {
  for (;;) {
    const found = await stat(file).catch(() => undefined);
    if (found !== undefined && found.size >= bytes) return;
    if (writer.exitCode !== null) throw new Error(`ended with ${writer.exitCode}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGKILL', null],
] as const)('ended by %s, it goes on where it was', async (signal, code) => {
  await using server = await RangedServer.open(image);
  server.stallAfter = 2_000_000;
  const args = [server.url, '-o', at('x'), '--sha256', digest, '--size', `${image.length}`];
  const child = spawn(process.execPath, [program, 'download', ...args], { stdio: 'ignore' });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await grown(at('x.part'), 1_000_000, child);
  child.kill(signal);
  expect(await ended).toBe(code);
  expect(await readdir(folder)).not.toContain('x');
  server.stallAfter = undefined;
  const done = await download(...args, '--json');
  expect(done).toMatchObject({ code: 0 });
  if (signal !== 'SIGKILL') expect(JSON.parse(done.stdout).resumed).toBeGreaterThan(0);
  expect(image.equals(await readFile(at('x')))).toBe(true);
});

test('of a difference nothing stays, which is what it says', async () => {
  const old = Buffer.from('old');
  await writeFile(at('old'), old);
  const delta = await deltaOf(old, randomBytes(3_000_000));
  await using server = await RangedServer.open(delta);
  server.stallAfter = 2_000_000;
  const size = ['--size', `${delta.length}`, '--delta-base', at('old')];
  const args = [server.url, '-o', at('x'), '--sha256', sha256(delta), ...size, '--json'];
  const child = spawn(process.execPath, [program, 'download', ...args]);
  let stdout = '';
  child.stdout.on('data', (text: Buffer) => {
    stdout += text.toString();
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  await grown(partOf(at('x'), child.pid), 0, child);
  child.kill('SIGINT');
  expect(await ended).toBe(130);
  expect(JSON.parse(stdout).error.message).toBe(
    'ended by SIGINT; of a difference nothing stays: the next call begins anew',
  );
  expect(await readdir(folder)).toEqual(['old']);
});

test('what fails says so by its exit code', async () => {
  await using server = await RangedServer.open(image);
  const to = ['-o', at('x')];
  const sha = ['--sha256', digest];
  const code = async (...args: string[]) => (await download(...args)).code;
  expect(await code()).toBe(2);
  expect(await code('ftp://x/y', ...sha)).toBe(2);
  expect(await code(`${server.url}/..`, ...sha)).toBe(2);
  expect(await code(server.url, ...to)).toBe(2);
  expect(await code(server.url, ...to, ...sha, '--connections', '9')).toBe(2);
  expect(await code(server.url, ...to, ...sha, '--ca', at('none'))).toBe(66);
  expect(await code(server.url, ...to, ...sha, '--description', at('none'))).toBe(66);
  expect(await code(server.url, ...to, ...sha, '--public-key', folder)).toBe(66);
  expect(await code(server.url, '-o', at('none/x'), ...sha)).toBe(66);
  const wrong = await download(server.url, ...to, '--sha256', digest.replace(/^./, 'z'));
  expect(wrong.code).toBe(2);
  const other = `${digest.slice(1)}0`;
  const refused = await download(server.url, ...to, '--sha256', other, '--json');
  expect(refused).toMatchObject({ code: 65, stderr: '' });
  expect(JSON.parse(refused.stdout)).toMatchObject({
    ok: false,
    error: { code: 'ERR_DIGEST_MISMATCH' },
  });
  await server[Symbol.asyncDispose]();
  const gone = [...to, ...sha, '--size', '7', '--patience', '1'];
  expect(await code(server.url, ...gone)).toBe(69);
  expect(await readdir(folder)).toEqual([]);
  expect(await download('--help')).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^Usage: iotkit-ota download/),
  });
});

test('a server that cannot be asked for the size is one that cannot be reached', async () => {
  await using server = await RangedServer.open(image);
  const { url } = server;
  await server[Symbol.asyncDispose]();
  const done = await download(`${url}/x`, '--sha256', digest, '--json');
  expect(done).toMatchObject({ code: 69, stderr: '' });
  expect(JSON.parse(done.stdout)).toMatchObject({ ok: false, error: { code: 'ERR_CONNECT' } });
  await using world = await World.open();
  await writeFile(at('ca.pem'), world.platform.ca);
  const { upgrade } = await world.announce(image);
  const none = new URL('/none', upgrade.url).href;
  const missing = await download(none, '--sha256', digest, '--ca', at('ca.pem'));
  expect(missing).toMatchObject({ code: 69, stderr: expect.stringContaining('ERR_HTTP_STATUS') });
});

test('the size is asked for by the proxy, and a server that does not say it is told so', async () => {
  await using server = await RangedServer.open(image);
  await using proxy = await startProxy();
  const args = ['-o', at('x'), '--sha256', digest];
  const by = [...args, '--proxy', `http://127.0.0.1:${proxy.port}`];
  const proxied = await run(process.execPath, [program, 'download', `${server.url}/x`, ...by], {
    env: { ...process.env, no_proxy: '', NO_PROXY: '' },
  });
  expect(proxied).toMatchObject({ code: 0, stderr: '' });
  expect(proxy.requests.length).toBe(server.asked.length);
  server.isChunked = true;
  const unsaid = await download(`${server.url}/x`, ...args);
  expect(unsaid).toMatchObject({ code: 2, stderr: expect.stringContaining('--size') });
});

test('the size that the server says is what the engine says of it', async () => {
  await using server = await RangedServer.open(image);
  const size = (): Promise<number> => remoteSize(server.url, {}, new AbortController().signal);
  // It is read of the engine's words, which this holds.
  expect(await size()).toBe(image.length);
  expect(server.asked).toHaveLength(1);
  server.isChunked = true;
  await expect(size()).rejects.toThrow('say with --size how many bytes the image has');
});

test('an empty image is none', async () => {
  await using server = await RangedServer.open(Buffer.alloc(0));
  const done = await download(`${server.url}/x`, '--sha256', sha256(Buffer.alloc(0)));
  expect(done).toMatchObject({
    code: 65,
    stderr: expect.stringContaining('the image on the server is empty'),
  });
});

test('wrong usage is an object, too, where JSON is wanted', async () => {
  const done = await download('http://127.0.0.1/x', '--json', '--colour');
  expect(done).toMatchObject({ code: 2, stderr: '' });
  expect(JSON.parse(done.stdout)).toMatchObject({
    ...{ schema: 1, ok: false },
    error: { code: 'ERR_USAGE' },
  });
});

test.each([
  [['--connections', '9'], '--connections must be a whole number from 1 to 8, got 9'],
  [['--connections', '0'], '--connections must be'],
  [['--patience', '86401'], '--patience must be a whole number from 1 to 86400, got 86401'],
  [['--limit-rate', '999999999999G'], '--limit-rate must be'],
  [['--size', `${2 ** 50 + 1}`], '--size must be'],
  [['--proxy', 'http://a:s3cret@x:99999/'], '--proxy must be'],
  [['--ca', '/dev/null'], '--ca must be PEM'],
  [['--public-key', '/dev/null'], '--public-key must be PEM'],
])('%j is named as it was typed', async (args, message) => {
  const size = args[0] === '--size' ? [] : ['--size', '5'];
  const given = [...args, ...size, '--sha256', digest, '--patience', '1'];
  const all = args[0] === '--patience' ? given.slice(0, -2) : given;
  const done = await download('http://127.0.0.1:9/x', ...all);
  expect(done).toMatchObject({ code: 2, stdout: '' });
  expect(done.stderr.startsWith(`iotkit-ota download: ${message}`)).toBe(true);
  expect(done.stderr).not.toContain('s3cret');
});

test('a base that is not there is found before anything is fetched', async () => {
  await using server = await RangedServer.open(image);
  const args = [server.url, '-o', at('x'), '--sha256', digest, '--delta-base', at('none')];
  expect(await download(...args)).toMatchObject({
    code: 66,
    stderr: expect.stringContaining('--delta-base'),
  });
  expect(server.asked).toEqual([]);
});

test('rates as curl reads them', () => {
  expect(rateOf('1024')).toBe(1024);
  expect(rateOf('500k')).toBe(512_000);
  expect(rateOf('2M')).toBe(2_097_152);
  for (const wrong of ['', '5', '1kk', '-1', '1.5M', 'k']) expect(() => rateOf(wrong)).toThrow();
});
