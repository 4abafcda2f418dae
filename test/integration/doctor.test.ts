// `iotkit-ota doctor` as a user runs it, against servers as they are met.
import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { localIdentity, type TlsIdentity } from 'iotkit-ota-platform';
import type { Report } from '../../lib/cli/doctor/report';
import { freePorts } from '../support/ports';
import { run } from '../support/process';
import { World } from '../support/world';

const root = path.resolve(__dirname, '..', '..');
const DAY_MS = 24 * 3600 * 1000;
const script = path.join(root, 'dist', 'cli', 'index.js');

let folder = '';
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-test-'));
});
afterEach(() => rm(folder, { recursive: true }));

interface Ran {
  readonly code: number | null;
  readonly report: Report;
  readonly output: string;
}

/** Without a limit of its own it has one that no machine is too slow for. */
function patient(args: readonly string[]): readonly string[] {
  return args.includes('--timeout') ? ['--json', ...args] : ['--json', '--timeout', '600', ...args];
}

async function doctor(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Ran> {
  return read(await run(process.execPath, [script, 'doctor', ...patient(args)], withEnv(env)));
}

const withEnv = (env: NodeJS.ProcessEnv) => ({ env: { ...process.env, ...env } });

function read({ code, stdout, stderr }: Awaited<ReturnType<typeof run>>): Ran {
  if (stderr !== '') throw new Error(stderr);
  return { code, report: JSON.parse(stdout) as Report, output: stdout };
}

const check = ({ report }: Ran, id: string) => report.checks.find((it) => it.id === id);

/** The statuses of the checks that ask a network. */
const network = (ran: Ran) =>
  Object.fromEntries(
    ['dns', 'connection', 'certificate'].map((id) => [id, check(ran, id)?.status]),
  );

/** A certificate that was made so many days ago; less than 0: it will be. */
async function identity(names: readonly string[], daysAgo = 0): Promise<TlsIdentity> {
  const clock = jest.spyOn(Date, 'now').mockReturnValue(Date.now() - daysAgo * DAY_MS);
  return localIdentity(folder, names).finally(() => clock.mockRestore());
}

async function caFile(pem: string): Promise<string> {
  const file = path.join(folder, 'trusted.pem');
  await writeFile(file, pem);
  return file;
}

async function askPlatform(own: TlsIdentity | undefined, trust?: string): Promise<Ran> {
  await using world = await World.open(own === undefined ? {} : { tls: own });
  const ca = await caFile(trust ?? world.platform.ca);
  return await doctor(['--url', world.platform.mqttsUrl, '--ca', ca]);
}

describe('a platform', () => {
  test('that works: the addon signs in as nobody, and its certificate is shown', async () => {
    const ran = await askPlatform(undefined);
    expect(network(ran)).toEqual({ dns: 'ok', connection: 'ok', certificate: 'ok' });
    expect(check(ran, 'connection')?.facts).toMatchObject({ code: 'ERR_MQTT_CREDENTIALS' });
    expect(check(ran, 'clock')).toMatchObject({
      status: 'ok',
      summary: expect.stringContaining('within the dates'),
    });
    const facts = check(ran, 'certificate')?.facts as { root: { subject: string } };
    expect(facts.root.subject).toContain('local CA');
    expect([ran.code, ran.report.ok]).toEqual([0, true]);
  });

  test('of a CA that is not trusted', async () => {
    const other = await identity(['localhost']);
    const ran = await askPlatform(undefined, other.ca);
    expect(network(ran)).toEqual({ dns: 'ok', connection: 'fail', certificate: 'fail' });
    expect(check(ran, 'connection')?.facts).toMatchObject({ code: 'ERR_TLS_CERTIFICATE' });
    expect([ran.code, ran.report.ok]).toEqual([1, false]);
  });

  test('with the certificate of another host', async () => {
    const ran = await askPlatform(await identity(['other.example']));
    expect(network(ran)).toEqual({ dns: 'ok', connection: 'fail', certificate: 'fail' });
    expect(check(ran, 'connection')?.facts).toMatchObject({ code: 'ERR_TLS_HOSTNAME' });
    expect(check(ran, 'certificate')?.remedy).toContain('DNS:other.example');
  });

  test('with a certificate that has ended', async () => {
    const ran = await askPlatform(await identity(['localhost', '127.0.0.1'], 600));
    expect(network(ran)).toEqual({ dns: 'ok', connection: 'fail', certificate: 'fail' });
    expect(check(ran, 'connection')?.facts).toMatchObject({ code: 'ERR_TLS_EXPIRED' });
    expect(check(ran, 'certificate')?.facts).toMatchObject({ refused: 'CERT_HAS_EXPIRED' });
    expect(check(ran, 'clock')?.status).toBe('warn');
  });

  test('with a certificate that begins later: the clock is wrong', async () => {
    const ran = await askPlatform(await identity(['localhost', '127.0.0.1'], -10));
    expect(network(ran)).toEqual({ dns: 'ok', connection: 'fail', certificate: 'fail' });
    expect(check(ran, 'connection')?.facts).toMatchObject({ code: 'ERR_TLS_NOT_YET_VALID' });
    expect(check(ran, 'clock')?.status).toBe('fail');
  });

  test('without TLS is a warning, which --strict counts', async () => {
    await using world = await World.open();
    const args = ['--url', world.platform.mqttUrl];
    const ran = await doctor(args);
    expect(network(ran)).toEqual({ dns: 'ok', connection: 'warn', certificate: 'skip' });
    expect(ran.code).toBe(0);
    expect((await doctor([...args, '--strict'])).code).toBe(1);
  });
});

/** Listens on loopback while `use` runs. */
async function listening<T>(server: Server, use: (port: string) => Promise<T>): Promise<T> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket.on('error', () => {})));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  try {
    return await use(String((server.address() as AddressInfo).port));
  } finally {
    for (const socket of sockets) socket.destroy();
    await once(server.close(), 'close');
  }
}

const ask = (port: string, ...args: string[]) =>
  doctor(['--host', '127.0.0.1', '--port', port, ...args]);

describe('a server', () => {
  test('that is not there', async () => {
    const [port] = await freePorts(1);
    const ran = await ask(String(port));
    expect(network(ran)).toEqual({ dns: 'ok', connection: 'fail', certificate: 'fail' });
    expect(check(ran, 'connection')?.facts).toMatchObject({ code: 'ERR_CONNECT' });
    expect(check(ran, 'certificate')?.summary).toContain('ECONNREFUSED');
  });

  test('that says nothing is given up', async () => {
    const ran = await listening(createServer(), (port) => ask(port, '--timeout', '0.3'));
    expect(network(ran)).toEqual({ dns: 'ok', connection: 'fail', certificate: 'fail' });
    expect(check(ran, 'certificate')?.summary).toContain('no answer within 300 ms');
  });

  test('that closes at once', async () => {
    const server = createServer((socket) => socket.end());
    const ran = await listening(server, (port) => ask(port));
    expect(network(ran)).toMatchObject({ connection: 'fail', certificate: 'fail' });
  });

  test('that does not speak TLS', async () => {
    const server = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    const ran = await listening(server, (port) => ask(port));
    expect(network(ran)).toMatchObject({ connection: 'fail', certificate: 'fail' });
  });

  test('that speaks TLS, but is no broker', async () => {
    const own = await identity(['127.0.0.1']);
    const ca = await caFile(own.ca);
    const server = tls.createServer(own, (socket) =>
      socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
    );
    const ran = await listening(server, (port) => ask(port, '--ca', ca));
    expect(network(ran)).toEqual({ dns: 'ok', connection: 'fail', certificate: 'ok' });
    expect(check(ran, 'connection')?.remedy).toContain('MQTT broker');
  });
});

describe('names and files', () => {
  test('a host without an address: nothing is tried', async () => {
    // A label that is too long for DNS: the resolver refuses it without asking anybody.
    const ran = await doctor(['--host', `${'a'.repeat(64)}.invalid`]);
    expect(network(ran)).toEqual({ dns: 'fail', connection: 'skip', certificate: 'skip' });
  });

  test('a CA file that cannot be read: nothing is tried', async () => {
    const ran = await doctor(['--host', '127.0.0.1', '--ca', path.join(folder, 'none.pem')]);
    expect(network(ran)).toEqual({ dns: 'skip', connection: 'skip', certificate: 'skip' });
    expect([check(ran, 'ca')?.status, ran.code]).toEqual(['fail', 1]);
  });

  test('without a host no network is asked, and no proxy password is shown', async () => {
    const ran = await doctor([], { HTTPS_PROXY: 'http://user:hunter2@proxy:3128' });
    expect(network(ran)).toEqual({ dns: 'skip', connection: 'skip', certificate: 'skip' });
    expect(ran.output).not.toContain('hunter2');
    expect(check(ran, 'proxy')?.summary).toContain('http://***@proxy:3128');
  });

  test('a target', async () => {
    const ran = await doctor(['--target', path.join(folder, 'none', 'image')]);
    expect([check(ran, 'target')?.status, ran.code]).toEqual(['fail', 1]);
  });
});

/** The package in a folder of its own, without its addon. */
async function copyPackage(): Promise<string> {
  const copy = path.join(folder, 'iotkit-ota');
  await cp(path.join(root, 'dist'), path.join(copy, 'dist'), { recursive: true });
  await cp(path.join(root, 'package.json'), path.join(copy, 'package.json'));
  await symlink(path.join(root, 'node_modules'), path.join(copy, 'node_modules'));
  return copy;
}

async function doctorOf(copy: string, ...args: string[]): Promise<Ran> {
  const program = path.join(copy, 'dist', 'cli', 'index.js');
  return read(await run(process.execPath, [program, 'doctor', ...patient(args)]));
}

describe('an addon that does not load', () => {
  test('because there is none', async () => {
    const ran = await doctorOf(await copyPackage());
    expect(check(ran, 'addon')).toMatchObject({
      status: 'fail',
      summary: expect.stringContaining('no addon for this processor'),
      remedy: expect.stringContaining('iotkit-ota'),
    });
    expect([check(ran, 'tls')?.status, check(ran, 'libc')?.status]).toEqual(['skip', 'ok']);
    expect(ran.code).toBe(1);
  });

  test('because it is damaged: the reason is the system’s', async () => {
    const copy = await copyPackage();
    const target = path.join('prebuilds', `${process.platform}-${process.arch}`);
    await mkdir(path.join(copy, target), { recursive: true });
    await writeFile(path.join(copy, target, 'iotkit-ota.node'), 'no addon');
    const ran = await doctorOf(copy);
    const { summary, facts } = check(ran, 'addon') ?? {};
    expect(summary).toContain(path.join(target, 'iotkit-ota.node'));
    expect(facts?.candidates).toEqual([
      { path: path.join(target, 'iotkit-ota.node'), glibc: null },
    ]);
  });

  test('and a server’s certificate is shown all the same', async () => {
    await using world = await World.open();
    const ca = await caFile(world.platform.ca);
    const args = ['--url', world.platform.mqttsUrl, '--ca', ca];
    const ran = await doctorOf(await copyPackage(), ...args);
    expect(network(ran)).toEqual({ dns: 'ok', connection: 'skip', certificate: 'ok' });
  });
});

// In a namespace where the only name server is ours, which never answers.
const namespaces = ['unshare', ['-rm', 'mount', '--bind', '/etc/hosts', '/etc/hosts']] as const;
const canMount = spawnSync(...namespaces).status === 0;
const canBind = process.getuid?.() === 0;
const withNameServer = canMount && canBind ? test : test.skip;

withNameServer('a name server that never answers is given up', async () => {
  const server = createSocket('udp4');
  server.bind(53, '127.0.0.53');
  await once(server, 'listening');
  try {
    const configuration = path.join(folder, 'resolv.conf');
    await writeFile(configuration, 'nameserver 127.0.0.53\noptions timeout:30 attempts:5\n');
    const mount = 'mount --bind "$1" /etc/resolv.conf && shift && exec "$@"';
    const args = ['--json', '--host', 'broker.example', '--timeout', '0.3'];
    const command = [process.execPath, script, 'doctor', ...args];
    const ended = run('unshare', ['-rm', 'sh', '-c', mount, 'sh', configuration, ...command]);
    const ran = read(await ended);
    expect(check(ran, 'dns')?.summary).toBe('broker.example: no answer within 300 ms');
    expect(network(ran)).toEqual({ dns: 'fail', connection: 'skip', certificate: 'skip' });
  } finally {
    server.close();
    await once(server, 'close');
  }
});

test('for people it is text, with a line for each check', async () => {
  const { code, stdout } = await run(process.execPath, [script, 'doctor']);
  expect(code).toBe(0);
  const { report } = await doctor([]);
  for (const { id, status } of report.checks) {
    expect(stdout).toMatch(new RegExp(`^${status.padEnd(4)}  ${id} `, 'm'));
  }
});
