import { existsSync } from 'node:fs';
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { freePorts } from './ports';
import { type Running, runWell, start } from './process';

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

export interface ForwardProxyOptions {
  /** Who alone may use it. Default: anybody. */
  readonly credentials?: Credentials;
  /** Default: any free one. */
  readonly port?: number;
}

/** A real HTTP proxy on loopback, with a folder of its own. */
export interface ForwardProxy {
  readonly port: number;
  /** Without credentials. */
  readonly url: string;
  /** Ends it and resolves with what it was asked: `CONNECT host:port`, `GET http://host:port/…`. */
  readonly stop: (signal?: NodeJS.Signals) => Promise<readonly string[]>;
}

interface Daemon {
  readonly program: string;
  readonly args: (file: string) => readonly string[];
  readonly ready: RegExp;
  readonly configuration: (directory: string, port: number, credentials?: Credentials) => string;
  /** The content of the file with the passwords, where there is one. */
  readonly passwords?: (credentials: Credentials) => Promise<string>;
  /** Whether it refuses to run as root. */
  readonly isUnprivileged?: boolean;
}

const daemons = {
  squid: {
    program: 'squid',
    args: (file) => ['-N', '-d2', '-f', file],
    ready: /Accepting HTTP Socket connections/,
    configuration: squidConfiguration,
    passwords: async ({ user, password }) =>
      `${user}:${await runWell('openssl', ['passwd', '-apr1', password])}`,
    isUnprivileged: true,
  },
  tinyproxy: {
    program: 'tinyproxy',
    args: (file) => ['-d', '-c', file],
    ready: /Starting main loop/,
    configuration: tinyproxyConfiguration,
  },
} as const satisfies Record<string, Daemon>;

export type ForwardProxyKind = keyof typeof daemons;

export async function startForwardProxy(
  kind: ForwardProxyKind,
  { credentials, port: wanted }: ForwardProxyOptions = {},
): Promise<ForwardProxy> {
  const daemon: Daemon = daemons[kind];
  const program = installed(daemon.program);
  const port = wanted ?? ((await freePorts(1))[0] as number);
  const directory = await mkdtemp(path.join(tmpdir(), `iotkit-ota-${kind}-`));
  const clean = (): Promise<void> => rm(directory, { recursive: true, force: true });
  const file = path.join(directory, 'proxy.conf');
  await writeFile(file, daemon.configuration(directory, port, credentials));
  if (credentials && daemon.passwords) {
    await writeFile(path.join(directory, 'passwords'), await daemon.passwords(credentials));
  }
  const user = daemon.isUnprivileged ? await unprivilegedUser() : undefined;
  if (user) await chown(directory, user.uid, user.gid);
  const options = { ready: daemon.ready, ...user };
  const running = await start(program, daemon.args(file), options).catch(async (error) => {
    await clean();
    throw error;
  });
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    stop: async (signal) => {
      await running.stop(signal);
      await clean();
      return requestsIn(running);
    },
  };
}

/** Both write down each request line they get. */
function requestsIn({ output }: Running): string[] {
  const lines = output().matchAll(/((?:CONNECT|GET http:)\S* ?\S*) HTTP\/1\.1$/gm);
  return [...lines].map(([, request]) => request as string);
}

function installed(name: string): string {
  const file = ['/usr/sbin', '/usr/bin', '/usr/local/sbin', '/usr/local/bin', '/opt/homebrew/bin']
    .map((folder) => path.join(folder, name))
    .find((it) => existsSync(it));
  if (file === undefined) throw new Error(`${name} is not installed: apt-get install ${name}`);
  return file;
}

/** Debian's user for proxies, where the tests run as root. */
async function unprivilegedUser(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  const id = async (kind: string): Promise<number> => Number(await runWell('id', [kind, 'proxy']));
  return { uid: await id('-u'), gid: await id('-g') };
}

function squidConfiguration(directory: string, port: number, credentials?: Credentials): string {
  const helper = '/usr/lib/squid/basic_ncsa_auth';
  const known = `auth_param basic program ${helper} ${directory}/passwords
acl known proxy_auth REQUIRED
http_access allow known`;
  return `http_port 127.0.0.1:${port}
pid_filename ${directory}/squid.pid
coredump_dir ${directory}
cache_log ${directory}/cache.log
access_log none
debug_options ALL,1 11,2
cache deny all
cache_mem 8 MB
netdb_filename none
pinger_enable off
visible_hostname localhost
shutdown_lifetime 0 seconds
${credentials ? known : 'http_access allow all'}
http_access deny all
`;
}

function tinyproxyConfiguration(_: string, port: number, credentials?: Credentials): string {
  return `Port ${port}
Listen 127.0.0.1
Timeout 600
MaxClients 20
LogLevel Info
${credentials ? `BasicAuth ${credentials.user} ${credentials.password}` : ''}
`;
}
