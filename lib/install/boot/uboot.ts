/**
 * U-Boot's environment, by the tools of libubootenv: `fw_printenv` and `fw_setenv`. With two copies
 * `fw_setenv` writes the one that is not in use, so a power cut leaves the other; with a single copy
 * a cut in the middle leaves none, and then a board starts by its compiled-in defaults, if at all.
 */
import { constants, mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { endQuietly } from '../../base/cleanup';
import { IotkitError } from '../../base/errors';
import { failureOf, type RunOptions, run } from '../child';
import { assertProgram } from '../program';
import type { Changes, VariableStore, Variables } from './environment';
import { copiesOf, devicesOf, sizesOf } from './uboot-config';

/** @internal Checked. */
export interface UbootStoreOptions {
  /** As `fw_env.config(5)` has it. */
  readonly config: string;
  readonly singleCopy: 'refuse' | 'warn';
}

const TIMEOUT_MS = 60_000;
// What they take for an environment that cannot be read; what is then written would drop the rest.
// They say so on standard error alone: on the other output a variable may hold the same words.
const defaults = /using default/i;
const name = /^[^=\s]+$/;

/** @internal The environment that the configuration file names. */
export function ubootStore({ config, singleCopy }: UbootStoreOptions): VariableStore {
  return {
    place: `the environment of ${config}`,
    check: async () => {
      await checkCopies(config, singleCopy);
      await assertProgram('fw_setenv');
      for (const device of devicesOf(await readConfig(config))) await assertOpens(device);
    },
    read: async () => variablesOf(await tool(['fw_printenv', '-c', config])),
    assertWritable: (variables, changes) => assertRoom(config, variables, changes),
    write: (changes) => write(config, changes),
  };
}

async function checkCopies(config: string, singleCopy: 'refuse' | 'warn'): Promise<void> {
  const text = await readConfig(config);
  const copies = copiesOf(text);
  if (copies >= 2) return;
  const detail =
    `${config} names ${copies === 0 ? 'no' : 'a single'} copy of the environment; ` +
    'a power cut while it is written leaves none. Give U-Boot a second one ' +
    '(CONFIG_SYS_REDUNDAND_ENVIRONMENT) and its line in that file';
  if (copies === 0 || singleCopy === 'refuse') throw new IotkitError('ERR_INSTALL_SETUP', detail);
  process.emitWarning(detail, { code: 'IOTKIT_SINGLE_ENVIRONMENT' });
}

/** Of an eMMC: they are write-protected, which fw_setenv lifts by itself. */
const isBootPartition = /^\/dev\/mmcblk\d+boot\d+$/;

// Without O_EXCL: others may have it open, and fw_setenv opens it in the same way.
async function assertOpens(device: string): Promise<void> {
  if (isBootPartition.test(device)) return;
  try {
    const opened = await open(device, constants.O_RDWR | constants.O_NONBLOCK);
    await opened.close();
  } catch (cause) {
    const { message } = cause as Error;
    const detail = `the environment cannot be written to ${device}: ${message}`;
    throw new IotkitError('ERR_BOOT_STATE', detail, { cause });
  }
}

async function readConfig(config: string): Promise<string> {
  try {
    return await readFile(config, 'utf8');
  } catch (cause) {
    const detail = `the configuration of fw_setenv: ${(cause as Error).message}`;
    throw new IotkitError('ERR_INSTALL_SETUP', detail, { cause });
  }
}

// fw_setenv also writes an environment without the NUL at its end, and then nothing reads it any more.
async function assertRoom(config: string, variables: Variables, changes: Changes): Promise<void> {
  const sizes = sizesOf(await readConfig(config));
  const size = Math.min(...sizes);
  // A checksum, and of two copies a byte that tells which is the newer one.
  const head = sizes.length > 1 ? 5 : 4;
  const after = Object.entries({ ...Object.fromEntries(variables), ...changes });
  const needed = after.reduce(
    (sum, [key, value]) => sum + (value === undefined ? 0 : Buffer.byteLength(`${key}=${value}\0`)),
    head + '\0'.length,
  );
  if (!(needed > size)) return;
  const detail = `the environment of ${config} has ${size} bytes, and needs ${needed}`;
  throw new IotkitError('ERR_BOOT_STATE', `${detail}; remove variables that nothing uses`);
}

// All in one script, because each call is a write of its own, and the power may go between two.
async function write(config: string, changes: Changes): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'iotkit-env-'));
  const set = async (): Promise<void> => {
    const script = path.join(folder, 'script');
    await writeFile(script, scriptOf(changes), { mode: 0o600 });
    await tool(['fw_setenv', '-c', config, '-s', script]);
  };
  // What is in force is so, whatever becomes of the script.
  await set().finally(() => endQuietly(() => rm(folder, { recursive: true, force: true })));
}

function scriptOf(changes: Changes): string {
  return Object.entries(changes)
    .map(([key, value = '']) => {
      if (name.test(key) && !/[\r\n]/.test(value)) return `${key}=${value}\n`;
      throw new IotkitError('ERR_BOOT_STATE', `${JSON.stringify(key)} cannot be a variable`);
    })
    .join('');
}

/**
 * @internal Runs a tool that reads or writes an environment; what it has written to standard output.
 *
 * @throws IotkitError ERR_BOOT_STATE, also where it takes defaults for an environment that is damaged
 */
export async function tool(argv: readonly string[], stdin?: string): Promise<string> {
  // Nothing of the output is translated, because it is read.
  let warning: string | undefined;
  const onLine: RunOptions['onLine'] = (line, from) => {
    if (from === 'stderr' && defaults.test(line)) warning ??= line.trim().slice(0, 200);
  };
  const result = await run({ argv, stdin, timeoutMs: TIMEOUT_MS, env: { LC_ALL: 'C' }, onLine });
  if (result.code !== 0) throw new IotkitError('ERR_BOOT_STATE', failureOf(argv, result));
  if (warning === undefined) return result.stdout;
  const detail = `${argv[0]} finds no environment that is whole: ${warning}`;
  throw new IotkitError('ERR_BOOT_STATE', detail);
}

/** @internal Lines `name=value`. */
export function variablesOf(text: string): Variables {
  return new Map(
    text.split('\n').flatMap((line) => {
      const at = line.indexOf('=');
      return at < 1 ? [] : [[line.slice(0, at), line.slice(at + 1)] as const];
    }),
  );
}
