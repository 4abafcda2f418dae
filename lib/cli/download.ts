// Tested by test/integration/download-command.test.ts
/** `iotkit-ota download`: the download engine as a command. See docs/agent.md. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { accessSync, constants, readFileSync } from 'node:fs';
import path from 'node:path';
import { channelNames } from '../base/diagnostics';
import type { DownloadEndEvent } from '../device/events';
import type { FetchOptions } from '../options/fetch';
import type { Json } from './agent/file';
import type { Given } from './arguments';
import { type CommandLine, ending, readCommandLine } from './command';
import { inWordsOf, UsageError } from './errors';
import { unreadable } from './exit-codes';
import { type ImageNotice, noticeOf, readDescription } from './image/described';
import { LocalPlatform, nobody } from './image/local-platform';
import { remoteSize } from './image/remote-size';
import { print, printJson } from './output';
import { inUnits, ProgressLine } from './progress-line';
import { stoppable } from './signals';

const usage = `Usage: iotkit-ota download <url> --sha256 <digest> [options]

Downloads an image: whole and verified under its name, or not at all. What an interrupted download
has left is proven and used by the next one.

  -o, --out <file>       where to (the last part of the URL's path, here)
  --sha256 <digest>      of the image, 64 hexadecimal digits; of a difference: of the difference
  --size <bytes>         of the image (the server is asked)
  --description <file>   JSON with members of the platform's notice: size, sign, signMethod, …
  --signature <base64>   of the digest, or a file with it; with --public-key
  --public-key <file>    PEM: what it has to be signed with
  --connections <1-8>    ranges that are fetched side by side (1)
  --limit-rate <bytes>   a second, such as 500k or 2M
  --patience <seconds>   how long it is tried without progress, 1-86400 (600)
  --ca <file>            PEM certificates to trust instead of the runtime's list
  --proxy <url>          http://[user:password@]host[:port] (that of the environment)
  --delta-base <file>    the image is a difference to this one, and is applied to it
  --json                 prints JSON
  --help

SIGINT, SIGTERM and SIGHUP end it, and leave what has been received; of a difference nothing:
the next call begins anew.
Exit codes: 0 done, 1 it failed, 2 wrong usage, 65 it is not the image it should be, 66 a file is not
there, 69 the server cannot be reached or has no such image, 73 the disk, 75 another download writes
the file, 77 not permitted, 129 SIGHUP, 130 SIGINT, 143 SIGTERM`;

const text = { type: 'string' } as const;
const own = {
  out: { ...text, short: 'o' },
  sha256: text,
  size: text,
  description: text,
  signature: text,
  'public-key': text,
  connections: text,
  'limit-rate': text,
  patience: text,
  ca: text,
  proxy: text,
  'delta-base': text,
} as const;

type Values = Given<typeof own>;

const words = {
  'fetch.ca': '--ca',
  'fetch.proxy': '--proxy',
  'verify.publicKeys': '--public-key',
  base: '--delta-base',
  target: '--out',
};

/** What `--json` prints. */
interface Downloaded {
  readonly path: string;
  /** Bytes of the image, or of the difference. */
  readonly size: number;
  /** Of them, those that an earlier call had received. */
  readonly resumed: number;
  readonly digest: string;
}

/** @returns the exit code */
export async function main(args: readonly string[]): Promise<number> {
  const options = readCommandLine(args, own, { usage, words: ['<url>'] });
  if (typeof options === 'number') return options;
  const { json, values } = options;
  return ending('download', json, async () => {
    const isDiff = values['delta-base'] !== undefined;
    const left = isDiff ? 'of a difference nothing stays: the next call begins anew' : undefined;
    const done = await stoppable((signal) => download(options, signal), left).catch(
      (error: unknown) => Promise.reject(inWordsOf(words, error)),
    );
    if (json) printJson({ schema: 1, ok: true, ...done });
    else print(`${done.path}: ${done.size} bytes, ${done.digest}`);
    return 0;
  });
}

async function download(
  { words: [url = ''], values, json }: CommandLine<typeof own>,
  signal: AbortSignal,
): Promise<Downloaded> {
  const address = addressOf(url);
  const out = values.out ?? nameIn(address);
  const fetch = fetchOf(values);
  expectReadable('--delta-base', values['delta-base']);
  const keys = values['public-key'];
  const verify = keys === undefined ? undefined : { publicKeys: pem('--public-key', keys) };
  const notice = await complete(url, values, fetch, verify !== undefined, signal);
  const platform = new LocalPlatform({ ...nobody, fetch, verify });
  const line = new ProgressLine(!json);
  let resumed = 0;
  const ended = (event: unknown): void => {
    resumed = (event as DownloadEndEvent).resumed;
  };
  subscribe(channelNames.downloadEnd, ended);
  try {
    const upgrade = await platform.offered(notice, url);
    await upgrade.download(out, {
      signal,
      report: false,
      ...(values['delta-base'] !== undefined && { base: values['delta-base'] }),
      onProgress: ({ received, size, bytesPerSecond, retrying }) => {
        const rate = retrying === undefined ? `${inUnits(bytesPerSecond)}/s` : retrying.error.code;
        line.bar(path.basename(out), received / size, rate);
      },
    });
    const digest = `${upgrade.digestMethod}:${upgrade.digest}`;
    return { path: path.resolve(out), size: upgrade.size, resumed, digest };
  } finally {
    unsubscribe(channelNames.downloadEnd, ended);
    line.end();
    await platform.device.close();
  }
}

function addressOf(url: string): URL {
  const address = URL.canParse(url) ? new URL(url) : undefined;
  if (address !== undefined && /^https?:$/.test(address.protocol)) return address;
  throw new UsageError('takes a URL, http or https');
}

/** The last part of the path, which no server can lead elsewhere with. */
function nameIn(address: URL): string {
  const name = path.posix.basename(address.pathname);
  if (/^[\w@+=,-][\w.@+=,-]*$/.test(name)) return name;
  throw new UsageError("the URL's path ends with no name for a file: give one with --out");
}

async function complete(
  url: string,
  values: Values,
  fetch: FetchOptions,
  isVerified: boolean,
  signal: AbortSignal,
): Promise<ImageNotice & { readonly size: number }> {
  const described: Json =
    values.description === undefined ? {} : readDescription(values.description);
  const named = { version: '0', ...described };
  const notice = noticeOf(values, named, { isVerified, isNamed: true });
  const diff = values['delta-base'] === undefined ? {} : { isDiff: true };
  const size = notice.size ?? (await remoteSize(url, fetch, signal));
  return { ...notice, ...diff, size };
}

function fetchOf(values: Values): FetchOptions {
  const { ca, proxy, connections, patience } = values;
  const rate = values['limit-rate'];
  return {
    ...(ca !== undefined && { ca: pem('--ca', ca) }),
    ...(proxy !== undefined && { proxy }),
    ...(connections !== undefined && { connections: whole('--connections', connections, 8) }),
    ...(patience !== undefined && { patience: 1000 * whole('--patience', patience, 86_400) }),
    ...(rate !== undefined && { bytesPerSecond: rateOf(rate) }),
  };
}

function whole(name: string, given: string, max: number): number {
  const value = /^\d+$/.test(given) ? Number(given) : 0;
  if (value >= 1 && value <= max) return value;
  throw new UsageError(`${name} must be a whole number from 1 to ${max}, got ${given}`);
}

/** `500k`, `2M`, as curl reads it. */
export function rateOf(given: string): number {
  const [, digits, unit = ''] = /^(\d{1,12})([kKmMgG]?)$/.exec(given) ?? [];
  const bytes = Number(digits) * 1024 ** ' kmg'.indexOf(unit.toLowerCase() || ' ');
  if (digits !== undefined && bytes >= 1024 && Number.isSafeInteger(bytes)) return bytes;
  const expected = '1024 bytes a second or more, such as 500k or 2M';
  throw new UsageError(`--limit-rate must be ${expected}, got ${given}`);
}

/** A difference could be fetched in vain. */
function expectReadable(name: string, file: string | undefined): void {
  try {
    if (file !== undefined) accessSync(file, constants.R_OK);
  } catch (error) {
    throw unreadable(`${name} ${file}`, error);
  }
}

function pem(name: string, file: string): string {
  try {
    return readFileSync(file, 'latin1');
  } catch (error) {
    throw unreadable(`${name} ${file}`, error);
  }
}
