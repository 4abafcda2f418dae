import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { freePorts } from './ports';
import { type Running, runWell, start } from './process';

const mosquittoPath = [
  '/usr/sbin/mosquitto',
  '/usr/local/sbin/mosquitto',
  '/usr/bin/mosquitto',
].find((file) => existsSync(file));

export interface MosquittoOptions {
  /** Where it keeps its configuration and password file. */
  readonly directory: string;
  /** PEM texts. */
  readonly key: string;
  readonly cert: string;
  /** Who may connect. */
  readonly users: ReadonlyArray<{ readonly username: string; readonly password: string }>;
  /** Default: any free one. */
  readonly port?: number;
}

/** The same for everybody on this machine, without TLS; no limit on what waits for a slow client. */
export async function startOpenMosquitto(directory: string): Promise<Mosquitto> {
  return startWith(directory, (port) => [
    `listener ${port} 127.0.0.1`,
    'allow_anonymous true',
    'max_queued_messages 0',
  ]);
}

export interface Mosquitto extends Running {
  readonly port: number;
}

/** A real mosquitto on loopback: TLS only, nobody without a password. */
export async function startMosquitto(options: MosquittoOptions): Promise<Mosquitto> {
  const { directory } = options;
  await mkdir(directory, { recursive: true });
  const file = (name: string): string => path.join(directory, name);
  await writeFile(file('key.pem'), options.key, { mode: 0o600 });
  await writeFile(file('cert.pem'), options.cert);
  await writeFile(file('passwords'), '', { mode: 0o600 });
  for (const { username, password } of options.users) {
    await runWell('mosquitto_passwd', ['-b', file('passwords'), username, password]);
  }
  return startWith(
    directory,
    (port) => [
      `listener ${port} 127.0.0.1`,
      `certfile ${file('cert.pem')}`,
      `keyfile ${file('key.pem')}`,
      'allow_anonymous false',
      `password_file ${file('passwords')}`,
      'log_type all',
    ],
    options.port,
  );
}

async function startWith(
  directory: string,
  lines: (port: number) => readonly string[],
  wanted?: number,
): Promise<Mosquitto> {
  if (mosquittoPath === undefined) {
    throw new Error('mosquitto is not installed: apt-get install mosquitto');
  }
  const port = wanted ?? ((await freePorts(1))[0] as number);
  const file = path.join(directory, 'mosquitto.conf');
  const user = process.getuid?.() === 0 ? ['user root'] : [];
  const text = [...user, ...lines(port), 'log_dest stderr'].join('\n');
  await writeFile(file, `${text}\n`);
  const running = await start(mosquittoPath, ['-c', file], {
    ready: /mosquitto version \S+ running/,
  });
  return { ...running, port };
}
