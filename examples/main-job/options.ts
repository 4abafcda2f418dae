import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { codeOf, describe, exitCodes, Failure } from './failure';

/** What the command line asks for. */
export interface JobOptions {
  /** Absolute path. */
  readonly firmware: string;
  /** How the firmware is served. */
  readonly protocol: 'https' | 'http';
  /** Digest that goes with the firmware. */
  readonly digest: 'SHA256' | 'MD5';
  /** What goes wrong on purpose. */
  readonly fault: FaultName | undefined;
  /** Version the device runs before and after. */
  readonly from: string;
  readonly to: string;
}

/** As the platform spells them. */
const digestNames = { sha256: 'SHA256', md5: 'MD5' } as const;

/** Faults to show what a failure looks like. */
export const faultNames = [
  'wrong-secret',
  'bad-notice',
  'not-found',
  'short',
  'corrupt',
  'slow',
] as const;
export type FaultName = (typeof faultNames)[number];

export const help = `Updates the firmware of one device, end to end, over real sockets of this machine.

  npm start [-- options]

  --firmware FILE     image to install (default: the running node executable)
  --protocol NAME     how the firmware is served: https (default) or http
  --digest NAME       digest of the notice: sha256 (default) or md5
  --from VERSION      version the device runs at first (default: 1.0.0)
  --to VERSION        version of the image (default: 2.0.0)
  --fault NAME        let something go wrong: ${faultNames.join(', ')}
  --help              this text

Exit codes: 0 updated, ${Object.entries(exitCodes)
  .map(([kind, code]) => `${code} ${kind}`)
  .join(', ')}, 1 anything else.
`;

/**
 * Reads the command line; undefined when only help was asked for. Throws {@link Failure} of kind
 * usage.
 */
export function parseOptions(args: readonly string[]): JobOptions | undefined {
  const values = parseValues(args);
  if (values.help) return undefined;
  return {
    firmware: path.resolve(values.firmware ?? process.execPath),
    protocol: oneOf('protocol', values.protocol, ['https', 'http']),
    digest: digestNames[oneOf('digest', values.digest.toLowerCase(), ['sha256', 'md5'])],
    fault: values.fault === undefined ? undefined : oneOf('fault', values.fault, faultNames),
    ...versions(values.from, values.to),
  };
}

function parseValues(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        firmware: { type: 'string' },
        protocol: { type: 'string', default: 'https' },
        digest: { type: 'string', default: 'sha256' },
        from: { type: 'string', default: '1.0.0' },
        to: { type: 'string', default: '2.0.0' },
        fault: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw usage(describe(error));
  }
}

function oneOf<Name extends string>(option: string, value: string, allowed: readonly Name[]): Name {
  const found = allowed.find((name) => name === value);
  if (found === undefined) {
    throw usage(`--${option} must be ${allowed.join(' or ')}, not ${value}`);
  }
  return found;
}

function versions(from: string, to: string): { from: string; to: string } {
  for (const version of [from, to]) {
    if (!/^[A-Za-z0-9._-]{1,64}$/.test(version)) {
      throw usage(`a version is 1-64 letters, digits, ".", "-", "_", not ${version}`);
    }
  }
  if (from === to) throw usage('--from and --to must differ');
  return { from, to };
}

function usage(message: string): Failure {
  return new Failure('usage', message, 'npm start -- --help lists the options.');
}

/** Bytes of the image; throws {@link Failure} of kind firmware when it cannot be installed. */
export async function checkFirmware(file: string): Promise<number> {
  const advice = 'Give another file with npm start -- --firmware FILE.';
  const refuse = (reason: string, cause?: unknown): Failure =>
    new Failure('firmware', `${file} ${reason}`, advice, { cause });
  try {
    const found = await stat(file);
    if (found.isDirectory()) throw refuse('is a directory');
    if (!found.isFile()) throw refuse('is not a regular file');
    if (found.size === 0) throw refuse('is empty');
    await access(file, constants.R_OK);
    return found.size;
  } catch (error) {
    if (error instanceof Failure) throw error;
    const reason = reasons[codeOf(error) ?? ''] ?? `cannot be used: ${describe(error)}`;
    throw refuse(reason, error);
  }
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'does not exist: a part of its path is not a directory',
  EACCES: 'may not be read: permission denied',
  ELOOP: 'is a symbolic link that leads in a circle',
  ENAMETOOLONG: 'has too long a name',
};
