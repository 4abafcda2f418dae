/** The options of `iotkit-ota doctor`. */
import { readFileSync } from 'node:fs';
import { checkOpenOptions, type OpenOptions } from '../../device/connect-options';
import { isPlatformHost } from '../../options/platform-root';
import type { Given } from '../arguments';
import { type CommandLine, readCommandLine } from '../command';
import { inWordsOf, UsageError } from '../errors';
import { codeOf, messageOf } from './finding';

export const usage = `Usage: iotkit-ota doctor [options]

Checks whether updates can work on this machine. Contacts no network unless a host is named.

The platform, one of:
  --region <name>          a public instance, such as cn-shanghai; with --product-key
  --instance-id <id>       an enterprise instance
  --url <url>              mqtts://host[:port]
  --host <name>            with --port (8883)
  --product-key <key>      part of the host's name of a public instance
  --port <number>          another port
  --ca <file>              PEM certificates to trust instead of the runtime's list

  --target <path>          the file, directory or partition that images are written to
  --size <bytes>           how large an image may be there
  --timeout <seconds>      of each check that may have to wait (10)
  --json                   prints JSON, as docs/doctor.md describes it
  --strict                 warnings count as failures
  --help

Exit codes: 0 nothing has failed, 1 something has, 2 wrong usage`;

/** A file that was named by `--ca`: its text, or why there is none. */
export interface CaFile {
  readonly file: string;
  readonly pem: string;
  readonly error: string | undefined;
}

/** Where to connect, as a program would say it. */
export interface Place {
  readonly options: OpenOptions;
  readonly host: string;
  readonly port: number;
  readonly hasTls: boolean;
  /** Whether it is a host of the platform itself. */
  readonly isPlatform: boolean;
}

export interface Arguments {
  readonly place: Place | undefined;
  readonly ca: CaFile | undefined;
  readonly target: string | undefined;
  /** Bytes. */
  readonly size: number | undefined;
  readonly timeoutMs: number;
  readonly json: boolean;
  readonly strict: boolean;
}

const text = { type: 'string' } as const;
const own = {
  region: text,
  'instance-id': text,
  'product-key': text,
  host: text,
  port: text,
  url: text,
  ca: text,
  target: text,
  size: text,
  timeout: text,
  strict: { type: 'boolean' },
} as const;

type Values = Given<typeof own>;

/**
 * @returns the exit code where there is nothing to do: help was asked for
 * @throws UsageError
 */
export function readArguments(args: readonly string[]): Arguments | number {
  const line = readCommandLine(args, own, { usage, words: [] });
  return typeof line === 'number' ? line : check(line);
}

function check({ values, json }: CommandLine<typeof own>): Arguments {
  const ca = values.ca === undefined ? undefined : readCa(values.ca);
  return {
    place: placeOf(values, ca),
    ca,
    target: values.target,
    size: optionalNumber('--size', values.size, 0, Number.MAX_SAFE_INTEGER),
    timeoutMs: number('--timeout', values.timeout ?? '10', 0.1, 600) * 1000,
    json,
    strict: values.strict === true,
  };
}

function readCa(file: string): CaFile {
  try {
    return { file, pem: readFileSync(file, 'latin1'), error: undefined };
  } catch (error) {
    return { file, pem: '', error: codeOf(error) ?? messageOf(error) };
  }
}

/** A device that is registered nowhere: the broker refuses it, which needs TLS first. */
const NOBODY = { productKey: 'a1doctor', deviceName: 'iotkit-ota-doctor', deviceSecret: 'none' };

function placeOf(values: Values, ca: CaFile | undefined): Place | undefined {
  const { region, host, url } = values;
  const instanceId = values['instance-id'];
  const productKey = values['product-key'];
  if ([region, instanceId, host, url].every((it) => it === undefined)) {
    const idle = (['product-key', 'port', 'ca'] as const).find((it) => values[it] !== undefined);
    if (idle === undefined || idle === 'ca') return undefined;
    throw new UsageError(`--${idle} needs --region, --instance-id, --host or --url`);
  }
  if (region !== undefined && productKey === undefined) {
    throw new UsageError('--region needs --product-key: it is part of the name of the host');
  }
  const usable = ca?.pem.includes('-----BEGIN ') === true ? { tls: { ca: ca.pem } } : {};
  const given = { ...NOBODY, ...(productKey !== undefined && { productKey }), ...usable };
  const port = optionalNumber('--port', values.port, 1, 65_535);
  const place = { region, instanceId, host, url, port };
  // Checked as a program's options are; exactly one of the four is for it to say.
  const open = { ...given, ...place } as OpenOptions;
  const checked = checkedOf(open);
  return {
    options: open,
    host: checked.host,
    port: checked.port,
    hasTls: checked.tls !== undefined,
    isPlatform: isPlatformHost(checked.host),
  };
}

const words = {
  region: '--region',
  instanceId: '--instance-id',
  productKey: '--product-key',
  url: '--url',
  host: '--host',
  port: '--port',
  'tls.ca': '--ca',
};

function checkedOf(options: OpenOptions) {
  try {
    return checkOpenOptions(options, {});
  } catch (error) {
    throw inWordsOf(words, error);
  }
}

function optionalNumber(
  name: string,
  value: string | undefined,
  min: number,
  max: number,
): number | undefined {
  return value === undefined ? undefined : number(name, value, min, max);
}

function number(name: string, value: string, min: number, max: number): number {
  const parsed = /^\d+(?:\.\d+)?$/.test(value) ? Number(value) : Number.NaN;
  const isWhole = name === '--timeout' || Number.isInteger(parsed);
  if (parsed >= min && parsed <= max && isWhole) return parsed;
  throw new UsageError(`${name} must be a number, ${min}-${max}`);
}
