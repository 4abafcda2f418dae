// Tested by platform/test/cli.test.ts

import { randomBytes } from 'node:crypto';
import { readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { Platform, type PlatformOptions, type TlsIdentity } from '../index';
import { CliError, invalid, messageOf } from './errors';
import { CA_FILE, SERVER_FILE, type ServerFile, TOKEN_FILE } from './find-server';
import { type Journal, JsonJournal, TextJournal } from './journal';

/** Flags of `serve`, as commander gives them. */
export interface ServeOptions {
  readonly stateDir: string;
  readonly host: string;
  readonly publicHost?: string;
  readonly mqttPort: number | false;
  readonly mqttsPort: number | false;
  readonly mqttRules?: 'strict' | 'lenient';
  readonly httpPort: number | false;
  readonly httpsPort: number | false;
  readonly apiHost: string;
  readonly apiPort: number | false;
  readonly apiTlsPort: number | false;
  readonly broker?: string;
  readonly brokerUsername?: string;
  readonly brokerCa?: string;
  readonly brokerClientId?: string;
  readonly firmwareBaseUrl?: string;
  readonly firmwareScheme?: 'http' | 'https';
  readonly urlLifetime?: number;
  readonly minKeepAlive?: number;
  readonly maxKeepAlive?: number;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsCa?: string;
  readonly signingKey?: string;
  readonly quiet?: boolean;
  readonly log: string;
}

/** Runs a platform until SIGINT or SIGTERM. */
export async function serve(options: ServeOptions): Promise<void> {
  const stateDir = resolve(options.stateDir);
  const journal = journalOf(options);
  const { log } = journal;
  const platform = await Platform.start({
    ...(await platformOptions(options, stateDir)),
    ...(log !== undefined && { log }),
  });
  const stopped = new Promise<NodeJS.Signals>((done) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, done);
  });
  const serverFile = join(stateDir, SERVER_FILE);
  try {
    await writeServerFile(serverFile, { pid: process.pid, apiUrl: platform.apiUrl });
    journal.ready(await addresses(platform, options, stateDir));
    journal.follow(platform, options.quiet === true);
    journal.say(`stopping on ${await stopped}`);
  } finally {
    journal.close();
    try {
      await rm(serverFile, { force: true });
    } finally {
      await platform.close();
    }
  }
}

function journalOf({ log }: ServeOptions): Journal {
  if (log === 'json') return new JsonJournal(process.stdout);
  if (log === 'text') return new TextJournal(process.stdout);
  throw invalid("--log must be 'text' or 'json'");
}

/** Whole or not at all: a command may read it at any moment. */
async function writeServerFile(path: string, server: ServerFile): Promise<void> {
  const temporary = `${path}.${randomBytes(4).toString('hex')}`;
  try {
    await writeFile(temporary, `${JSON.stringify(server)}\n`, { mode: 0o600, flag: 'wx' });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw new CliError(`cannot write ${path}: ${messageOf(error)}`);
  }
}

async function platformOptions(options: ServeOptions, stateDir: string): Promise<PlatformOptions> {
  const { publicHost, firmwareBaseUrl, firmwareScheme, urlLifetime } = options;
  const token = process.env.IOTKIT_PLATFORM_TOKEN;
  const tls = await identity(options);
  const broker = await externalBroker(options);
  return {
    stateDir,
    host: options.host,
    mqtt: {
      port: options.mqttPort,
      tlsPort: options.mqttsPort,
      ...(options.mqttRules !== undefined && { rules: options.mqttRules }),
    },
    http: { port: options.httpPort, tlsPort: options.httpsPort },
    api: { host: options.apiHost, port: options.apiPort, tlsPort: options.apiTlsPort },
    keepAliveSeconds: {
      ...(options.minKeepAlive !== undefined && { min: options.minKeepAlive }),
      ...(options.maxKeepAlive !== undefined && { max: options.maxKeepAlive }),
    },
    ...(publicHost !== undefined && { publicHost }),
    ...(firmwareBaseUrl !== undefined && { firmwareBaseUrl }),
    ...(firmwareScheme !== undefined && { firmwareScheme }),
    ...(urlLifetime !== undefined && { urlLifetimeSeconds: urlLifetime }),
    ...(options.signingKey !== undefined && { signingKey: await text(options.signingKey) }),
    ...(token !== undefined && { operatorToken: token }),
    ...(tls !== undefined && { tls }),
    ...(broker !== undefined && { broker }),
  };
}

async function identity({
  tlsCert,
  tlsKey,
  tlsCa,
}: ServeOptions): Promise<TlsIdentity | undefined> {
  if (tlsCert === undefined && tlsKey === undefined && tlsCa === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw invalid('--tls-cert and --tls-key go together');
  }
  const [cert, key] = await Promise.all([text(tlsCert), text(tlsKey)]);
  return { cert, key, ca: tlsCa === undefined ? cert : await text(tlsCa) };
}

async function externalBroker(options: ServeOptions): Promise<PlatformOptions['broker']> {
  const { broker: url, brokerUsername, brokerCa, brokerClientId } = options;
  if (url === undefined) return undefined;
  const password = process.env.IOTKIT_PLATFORM_BROKER_PASSWORD;
  return {
    url,
    ...(brokerUsername !== undefined && { username: brokerUsername }),
    ...(password !== undefined && { password }),
    ...(brokerCa !== undefined && { ca: await text(brokerCa) }),
    ...(brokerClientId !== undefined && { clientId: brokerClientId }),
  };
}

async function text(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw invalid(messageOf(error));
  }
}

/** What a user needs to know of a platform that runs. */
async function addresses(
  platform: Platform,
  options: ServeOptions,
  stateDir: string,
): Promise<[string, string][]> {
  const { ports } = platform;
  const ownCa = join(stateDir, CA_FILE);
  const hasOwnCa = options.tlsCert === undefined && (await exists(ownCa));
  return [
    ...(options.broker !== undefined
      ? ([['broker', withoutLogin(options.broker)]] as [string, string][])
      : []),
    ...(ports.mqtts !== undefined
      ? ([['mqtt, TLS', platform.mqttsUrl]] as [string, string][])
      : []),
    ...(ports.mqtt !== undefined ? ([['mqtt', platform.mqttUrl]] as [string, string][]) : []),
    ['firmware', platform.firmwareUrl],
    ['operator', platform.apiUrl],
    ...(hasOwnCa ? ([['CA', ownCa]] as [string, string][]) : []),
    process.env.IOTKIT_PLATFORM_TOKEN === undefined
      ? ['token', join(stateDir, TOKEN_FILE)]
      : ['token', 'as in IOTKIT_PLATFORM_TOKEN'],
    ['state', stateDir],
  ];
}

function withoutLogin(url: string): string {
  return url.replace(/\/\/[^@/]*@/, '//');
}

function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
