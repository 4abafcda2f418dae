import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isFull, messageOf, PlatformError } from '../base/errors';
import { StateProblems } from '../base/problems';
import { localIdentity, type TlsIdentity } from '../listen/ca';
import { DeviceCa } from '../listen/device-ca';
import { LevelStore } from '../store/level';
import { keptSecret, writePrivate } from '../store/private-files';
import type { Store } from '../store/store';
import type { Settings } from './options';
import type { Shutdown } from './shutdown';

/** Says that a directory is a platform's, and how what is in it is laid out. */
const MARKER = 'platform.json';
const FORMAT = 1;
/** Folders of files that the database names. */
const FOLDERS = ['firmware', 'config'] as const;
const OWN_NAME = /^[0-9a-f]{16}\.bin$/;

const WILDCARDS: readonly string[] = ['0.0.0.0', '::'];

/** What a state directory holds from one start to the next. */
export interface StateDirectory {
  readonly path: string;
  readonly store: Store;
  readonly problems: StateProblems;
  readonly identity: TlsIdentity;
  /** Issues the certificates of devices. */
  readonly deviceCa: DeviceCa;
  /** Signs the addresses of firmware and configurations. */
  readonly urlKey: Buffer;
  readonly operatorToken: string;
}

/** Opens the state directory and makes in it what is missing. */
export async function openStateDirectory(
  settings: Settings,
  shutdown: Shutdown,
): Promise<StateDirectory> {
  const path = await openDirectory(settings.stateDir, shutdown);
  await checkFormat(path);
  const problems = new StateProblems();
  const store = await LevelStore.open(join(path, 'db'), settings.clock, problems);
  shutdown.add(() => store.close());
  if (await store.isEmpty()) await checkNoImages(path);
  const identity = settings.tls ?? (await localIdentity(path, certificateNames(settings)));
  const deviceCa = await DeviceCa.open(path);
  const urlKey = await keptSecret(join(path, 'url-key'), () => randomBytes(32).toString('hex'));
  const operatorToken =
    settings.operatorToken ??
    (await keptSecret(join(path, 'operator-token'), () => randomBytes(24).toString('base64url')));
  return {
    path,
    store,
    problems,
    identity,
    deviceCa,
    urlKey: Buffer.from(urlKey, 'hex'),
    operatorToken,
  };
}

/** What the system says of files while a platform starts, as an error of the state directory. */
export function stateError(error: unknown, stateDir = tmpdir()): unknown {
  const { syscall } = error as NodeJS.ErrnoException;
  if (error instanceof PlatformError || syscall === undefined) return error;
  const code = isFull(error) ? 'ERR_STATE_FULL' : 'ERR_STATE';
  const text = `cannot use the state directory ${stateDir}: ${messageOf(error)}`;
  return new PlatformError(code, text, { cause: error });
}

/** A directory that the caller did not name is temporary, and removed when the platform closes. */
async function openDirectory(stateDir: string | undefined, shutdown: Shutdown): Promise<string> {
  if (stateDir !== undefined) {
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    return stateDir;
  }
  const directory = await mkdtemp(join(tmpdir(), 'iotkit-ota-platform-'));
  await chmod(directory, 0o700);
  shutdown.add(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** Rejects with ERR_STATE for a directory of a later version; marks one that has no marker. */
async function checkFormat(path: string): Promise<void> {
  const marker = join(path, MARKER);
  let text: string;
  try {
    text = await readFile(marker, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    await writePrivate(marker, `${JSON.stringify({ format: FORMAT })}\n`);
    return;
  }
  const format = /^\{"format":(\d+)\}\s*$/.exec(text)?.[1];
  if (format !== undefined && Number(format) <= FORMAT) return;
  throw new PlatformError(
    'ERR_STATE',
    format === undefined
      ? `${marker} is not this platform's: choose another state directory, or restore that file`
      : `${path} has format ${format}, and this version knows ${FORMAT}: use a later version`,
  );
}

/** An empty database beside images is one that was lost: nothing of theirs is touched. */
async function checkNoImages(path: string): Promise<void> {
  for (const folder of FOLDERS) {
    const directory = join(path, folder);
    const names = await readdir(directory).catch(() => []);
    const images = names.filter((name) => OWN_NAME.test(name)).length;
    if (images === 0) continue;
    throw new PlatformError(
      'ERR_STATE',
      `the database ${join(path, 'db')} is empty, but ${directory} holds ${images} files that it ` +
        `should know: restore db/ from a backup, or move ${folder}/ away to begin afresh; nothing ` +
        'was changed',
    );
  }
}

function certificateNames({ host, publicHost }: Settings): string[] {
  const own = ['localhost', '127.0.0.1', '::1', publicHost];
  return WILDCARDS.includes(host) ? own : [...own, host];
}
