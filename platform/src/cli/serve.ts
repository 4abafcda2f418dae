import { readFile, rm, stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { invalid, messageOf } from '../errors';
import { Platform } from '../platform';
import { writePrivate } from '../private-files';
import type { PlatformEvent, PlatformOptions, TlsIdentity } from '../types';
import { CA_FILE, SERVER_FILE, type ServerFile, TOKEN_FILE } from './find-server';

/** Flags of `serve`, as commander gives them. */
export interface ServeOptions {
  readonly stateDir: string;
  readonly host: string;
  readonly publicHost?: string;
  readonly mqttPort: number | false;
  readonly mqttsPort: number | false;
  readonly httpPort: number | false;
  readonly httpsPort: number | false;
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
}

/** Runs a platform until SIGINT or SIGTERM. */
export async function serve(options: ServeOptions): Promise<void> {
  const stateDir = resolve(options.stateDir);
  const platform = await Platform.start(await platformOptions(options, stateDir));
  const stopped = new Promise<NodeJS.Signals>((done) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, done);
  });
  const serverFile = join(stateDir, SERVER_FILE);
  try {
    const server: ServerFile = { pid: process.pid, apiUrl: platform.apiUrl };
    await writePrivate(serverFile, `${JSON.stringify(server)}\n`);
    await printAddresses(platform, options, stateDir);
    if (!options.quiet) printEvents(platform);
    process.stdout.write(`stopping on ${await Promise.race([stopped])}\n`);
  } finally {
    await rm(serverFile, { force: true });
    await platform.close();
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
    mqtt: { port: options.mqttPort, tlsPort: options.mqttsPort },
    http: { port: options.httpPort, tlsPort: options.httpsPort },
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

async function printAddresses(
  platform: Platform,
  options: ServeOptions,
  stateDir: string,
): Promise<void> {
  const { ports } = platform;
  const ownCa = join(stateDir, CA_FILE);
  const hasOwnCa = options.tlsCert === undefined && (await exists(ownCa));
  const rows: [string, string][] = [
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
  for (const [name, value] of rows) process.stdout.write(`${name.padEnd(10)} ${value}\n`);
  process.stdout.write('ready\n');
}

function printEvents(platform: Platform): void {
  const print = (line: string): void => {
    process.stdout.write(`${new Date().toISOString()} ${line}\n`);
  };
  const follow = async (): Promise<void> => {
    for await (const event of platform.events()) {
      const line = describe(event);
      if (line !== undefined) print(line);
    }
  };
  void follow();
}

function describe(event: PlatformEvent): string | undefined {
  switch (event.type) {
    case 'device-connected':
      return `${event.deviceName} connected`;
    case 'device-disconnected':
      return `${event.deviceName} disconnected`;
    case 'device-refused':
      return `refused ${printable(event.clientId)}: ${event.reason} (${event.returnCode})`;
    case 'version-reported':
      return `${event.deviceName} reports ${event.module ?? 'version'} ${event.version}`;
    case 'task-changed': {
      const { deviceName, state, history } = event.task;
      return `${event.upgradeId} ${deviceName} ${state} (${history.at(-1)?.reason})`;
    }
    case 'config-answered':
      return `${event.deviceName} answers configuration ${event.configId} with ${event.code}`;
    case 'bad-message':
      return `ignored a message on ${printable(event.topic)}: ${printable(event.reason)}`;
    default:
      return undefined;
  }
}

/** What a stranger sent must not steer the terminal. */
function printable(text: string): string {
  return JSON.stringify(text.slice(0, 200));
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
