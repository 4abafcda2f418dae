import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ApiClient, type Server } from './client';
import { invalid, UnreachableError } from './errors';

/** What the commands that talk to a running platform have in common. */
export interface ServerOptions {
  readonly stateDir: string;
  readonly url?: string;
  readonly tokenFile?: string;
  readonly ca?: string;
}

/** Written by `serve` into its state directory. */
export interface ServerFile {
  readonly pid: number;
  readonly apiUrl: string;
}

export const SERVER_FILE = 'server.json';
export const TOKEN_FILE = 'operator-token';
export const CA_FILE = 'ca.pem';

/** A client of the running platform. */
export async function connect(options: ServerOptions): Promise<ApiClient> {
  return new ApiClient(await findServer(options));
}

/** Finds the running platform: by flags and environment, else by the state directory. */
export async function findServer(options: ServerOptions): Promise<Server> {
  const { stateDir } = options;
  const url = options.url ?? (await runningUrl(stateDir));
  const token =
    process.env.IOTKIT_PLATFORM_TOKEN ??
    (await expectFile(
      options.tokenFile ?? join(stateDir, TOKEN_FILE),
      'set IOTKIT_PLATFORM_TOKEN, --token-file or --state-dir',
    ));
  const base = url.replace(/\/+$/, '');
  const ca = url.startsWith('https:') ? await trusted(options) : undefined;
  return {
    url: base.endsWith('/api') ? base : `${base}/api`,
    token: token.trim(),
    ...(ca !== undefined && { ca }),
  };
}

async function runningUrl(stateDir: string): Promise<string> {
  const text = await readFile(join(stateDir, SERVER_FILE), 'utf8').catch(() => {
    throw new UnreachableError(`no platform serves from ${stateDir}: set --state-dir or --url`);
  });
  return (JSON.parse(text) as ServerFile).apiUrl;
}

async function trusted({ ca, stateDir }: ServerOptions): Promise<string | undefined> {
  if (ca !== undefined) return expectFile(ca, 'set --ca to the PEM file of the CA');
  return readFile(join(stateDir, CA_FILE), 'utf8').catch(() => undefined);
}

async function expectFile(path: string, hint: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'unreadable';
    throw invalid(`cannot read ${path} (${code}): ${hint}`);
  }
}
