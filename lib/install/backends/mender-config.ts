// Tested by test/unit/install/backends/mender.test.ts and test/peers/install/mender.test.ts.
/** What Mender's configuration files say of a machine's two system partitions. */
import { readFile, realpath } from 'node:fs/promises';
import path from 'node:path';
import { IotkitError } from '../../base/errors';
import { Machine } from '../detect';

/** @internal Where the client looks, the later one giving what the first does not say. */
export interface MenderFiles {
  readonly config: string;
  readonly fallbackConfig: string;
}

/** @internal A partition, as the configuration names it. */
export interface MenderPartition {
  readonly name: 'A' | 'B';
  readonly device: string;
  /** What `mender_boot_part` is for it: the digits at the end of the device's name. */
  readonly number: string;
}

/** @internal */
export interface MenderConfig {
  readonly partitions: readonly [MenderPartition, MenderPartition];
  /** The programs that read and write the boot loader's variables. */
  readonly print: string;
  readonly set: string;
  /** Whether the client takes signed artifacts alone. */
  readonly isSigned: boolean;
}

/**
 * @internal Read anew each time: a few hundred bytes.
 *
 * @throws IotkitError ERR_INSTALL_UNAVAILABLE (no such file), ERR_INSTALL_SETUP
 */
export async function readMenderConfig(files: MenderFiles): Promise<MenderConfig> {
  const [main, fallback] = await Promise.all([
    readJson(files.config),
    readJson(files.fallbackConfig),
  ]);
  if (main === undefined && fallback === undefined) {
    const detail = `Mender has no configuration: no ${files.config}, no ${files.fallbackConfig}`;
    throw new IotkitError('ERR_INSTALL_UNAVAILABLE', detail);
  }
  const values = { ...fallback, ...main };
  return {
    partitions: await partitionsOf(values),
    print: toolOf(values.BootUtilitiesGetNextActivePart, [
      'grub-mender-grubenv-print',
      'fw_printenv',
    ]),
    set: toolOf(values.BootUtilitiesSetActivePart, ['grub-mender-grubenv-set', 'fw_setenv']),
    isSigned: [values.ArtifactVerifyKey, values.ArtifactVerifyKeys].flat().some(isText),
  };
}

type Values = Readonly<Record<string, unknown>>;

async function readJson(file: string): Promise<Values | undefined> {
  const text = await readFile(file, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (cause.code === 'ENOENT') return undefined;
    throw new IotkitError('ERR_INSTALL_SETUP', `Mender's configuration: ${cause.message}`);
  });
  if (text === undefined) return undefined;
  try {
    const values: unknown = JSON.parse(text);
    if (typeof values === 'object' && values !== null) return values as Values;
  } catch {}
  throw new IotkitError('ERR_INSTALL_SETUP', `Mender's configuration ${file} is no JSON object`);
}

async function partitionsOf(values: Values): Promise<[MenderPartition, MenderPartition]> {
  const a = await partition('A', values.RootfsPartA);
  const b = await partition('B', values.RootfsPartB);
  if (a.number !== b.number) return [a, b];
  const detail = `Mender's RootfsPartA (${a.device}) and RootfsPartB (${b.device}) have one number`;
  throw new IotkitError('ERR_INSTALL_SETUP', detail);
}

async function partition(name: 'A' | 'B', given: unknown): Promise<MenderPartition> {
  const device = isText(given) ? await resolved(given) : '';
  const number = /\d+$/.exec(device)?.[0];
  if (number !== undefined) return { name, device, number };
  const found = isText(given) ? `is ${given}, which ends with no number` : 'is not set';
  const detail = `RootfsPart${name} in Mender's configuration ${found}`;
  throw new IotkitError('ERR_INSTALL_SETUP', detail);
}

/** These links alone are followed by the client, too: their names end with digits that mean nothing. */
const BY_UUID = '/dev/disk/by-partuuid';

async function resolved(device: string): Promise<string> {
  if (path.dirname(device) !== BY_UUID) return device;
  return realpath(device).catch(() => device);
}

function toolOf(given: unknown, usual: readonly [string, string]): string {
  if (isText(given)) return given;
  const machine = new Machine(process.env.PATH ?? '', '/');
  return machine.tool(usual[0]) ?? machine.tool(usual[1]) ?? usual[1];
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}
