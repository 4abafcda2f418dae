// Tested by test/integration/delta-cli.test.ts
/** `iotkit-ota delta`: makes the difference between two images, shows and applies it. See docs/delta.md. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { isInvalidArgument } from '../base/arguments';
import { IotkitError } from '../base/errors';
import { throwIfAborted } from '../base/signals';
import { applyDelta, type DeltaInfo, decodeHeader, HEADER_SIZE } from '../delta';
import { asExtData } from '../delta/announced';
import { fileError } from '../delta/file-errors';
import type { MakeProgress } from '../delta/make';
import { ResultFile } from '../delta/result-file';
import { made } from './delta/making';
import { CommandError, failureJson } from './exit-codes';
import { printable } from './printable';
import { ProgressLine } from './progress-line';
import { Stopped, stoppable } from './signals';

const usage = `Usage: iotkit-ota delta <command> [options]

  make <old> <new> -o <delta>     write what makes the new image of the old one
  info <delta>                    say which image it is for and what it makes
  apply <delta> <old> -o <new>    make the new image; nothing appears unless it is right

  -o, --output <file>      where to write; it appears whole or not at all. Not a file that is read,
                           but the old image of apply, which the new one may replace
  --quality <0-11>         of the compression; 11 (default) is smallest and slowest
  --json                   prints JSON, as docs/delta.md describes it
  --help

Exit codes: 0 it is done, 1 it has failed, 2 wrong usage, 129 SIGHUP, 130 SIGINT,
143 SIGTERM`;

const options = {
  output: { type: 'string', short: 'o' },
  quality: { type: 'string', default: '11' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', default: false, short: 'h' },
} as const;

type Values = ReturnType<typeof parse>['values'];

/** What a command has found, for both kinds of output. */
interface Found {
  readonly delta: string;
  /** Bytes and SHA-256 of the delta. */
  readonly size: number;
  readonly sha256: string;
  readonly info: DeltaInfo;
}

type Subcommand = (files: readonly string[], values: Values, signal: AbortSignal) => Promise<Found>;

class UsageError extends Error {
  readonly code = 'ERR_USAGE';
}

function parse(args: readonly string[]) {
  return parseArgs({ args: [...args], options, strict: true, allowPositionals: true });
}

/** @returns the exit code: 0 it is done, 1 it has failed, 2 wrong usage, or that of a signal */
export async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args);
  if (values.help) {
    console.log(usage);
    return 0;
  }
  try {
    const found = await stoppable(
      (signal) => run(positionals, values, signal),
      'nothing was written',
    );
    console.log(values.json ? asJson(found) : asText(found));
    return 0;
  } catch (error) {
    return report(error, values.json);
  }
}

async function run(
  [name = '', ...files]: readonly string[],
  values: Values,
  signal: AbortSignal,
): Promise<Found> {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) throw new UsageError(name === '' ? 'no command' : `${name}?`);
  if (files.length !== command.files) throw new UsageError(`${name} takes ${command.files} files`);
  const isWriting = command.files === 2;
  if (isWriting !== (values.output !== undefined)) {
    throw new UsageError(isWriting ? `${name} needs -o <file>` : `${name} writes nothing`);
  }
  return command.run(files, values, signal);
}

function report(error: unknown, json: boolean): number {
  const exitCode = exitCodeOf(error);
  if (exitCode === undefined) throw error;
  if (json) console.log(failureJson(error));
  else console.error(printable(`iotkit-ota delta: ${textOf(error)}`));
  return exitCode;
}

/** undefined: of what no command expects. */
function exitCodeOf(error: unknown): number | undefined {
  if (error instanceof UsageError) return 2;
  if (error instanceof Stopped || error instanceof CommandError) return error.exitCode;
  return IotkitError.is(error) || isInvalidArgument(error) ? 1 : undefined;
}

function textOf(error: unknown): string {
  const { code, message } = error as { readonly code?: string; readonly message: string };
  if (error instanceof UsageError) return `${message}\nSee iotkit-ota delta --help.`;
  return code === undefined ? message : `${code}: ${message}`;
}

const make: Subcommand = async ([old = '', image = ''], values, signal) => {
  const quality = /^(?:\d|1[01])$/.test(values.quality) ? Number(values.quality) : undefined;
  if (quality === undefined) throw new UsageError('--quality must be a number, 0-11');
  const output = values.output ?? '';
  await expectOther(output, [old, image]);
  const work = { old: await whole(old), image: await whole(image), quality };
  const progress = new ProgressLine(!values.json);
  const onProgress = (it: MakeProgress): void => progress.show(progressText(it));
  await write(output, made(work, onProgress, signal), signal).finally(() => progress.end());
  return describe(output);
};

const apply: Subcommand = async ([delta = '', old = ''], values, signal) => {
  const output = values.output ?? '';
  await expectOther(output, [delta]);
  const found = await describe(delta);
  const source = createReadStream(delta);
  await write(
    output,
    applyDelta(source, old, { recycle: true, signal }),
    signal,
    found.info.result.size,
  );
  return found;
};

const commands: Readonly<Record<string, { readonly files: number; readonly run: Subcommand }>> = {
  make: { files: 2, run: make },
  info: { files: 1, run: ([delta = '']) => describe(delta) },
  apply: { files: 2, run: apply },
};

/** What is written would take the place of what is read. */
async function expectOther(output: string, inputs: readonly string[]): Promise<void> {
  const there = await stat(output).catch(() => undefined);
  for (const input of there === undefined ? [] : inputs) {
    const { dev, ino } = (await stat(input).catch(() => undefined)) ?? {};
    if (dev === there?.dev && ino === there?.ino) {
      const why = `-o ${output} is the same file as ${input}, which it would replace`;
      throw new UsageError(`${why}: give it another name`);
    }
  }
}

async function whole(file: string): Promise<Buffer> {
  return readFile(file).catch((cause) => Promise.reject(fileError(file, cause)));
}

async function write(
  file: string,
  chunks: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
  size?: number,
): Promise<void> {
  const output = await ResultFile.open(file, { size });
  let offset = 0;
  try {
    for await (const chunk of chunks) {
      await output.write(chunk, offset);
      offset += chunk.length;
    }
    throwIfAborted(signal);
  } catch (error) {
    await output.discard();
    throw error;
  }
  const notDurable = await output.commit();
  if (notDurable !== undefined) console.error(`iotkit-ota delta: ${notDurable}`);
}

async function describe(delta: string): Promise<Found> {
  const file = await open(delta).catch((cause) => Promise.reject(fileError(delta, cause)));
  try {
    const head = Buffer.alloc(HEADER_SIZE);
    const { bytesRead } = await file.read(head, 0, HEADER_SIZE, 0);
    const info = decodeHeader(head.subarray(0, bytesRead));
    const hash = createHash('sha256');
    let size = 0;
    for await (const chunk of file.createReadStream({ start: 0, autoClose: false })) {
      hash.update(chunk);
      size += chunk.length;
    }
    return { delta, size, sha256: hash.digest('hex'), info };
  } catch (cause) {
    throw fileError(delta, cause);
  } finally {
    await file.close();
  }
}

function asJson({ delta, size, sha256, info }: Found): string {
  const all = { schema: 1, ok: true, delta, size, sha256, ...info, extData: asExtData(info) };
  return JSON.stringify(all, null, 2);
}

function asText({ delta, size, sha256, info: { base, result } }: Found): string {
  const rows = [
    ['delta', { size, sha256 }],
    ['base', base],
    ['result', result],
  ] as const;
  const lines = rows.map(([name, it]) => `${name.padEnd(8)}${it.sha256}  ${it.size} bytes`);
  const share =
    result.size === 0 ? '' : `, ${((100 * size) / result.size).toFixed(1)} % of the image`;
  return [`${delta}: ${size} bytes${share}`, '', ...lines].join('\n');
}

function progressText({ phase, done, size }: MakeProgress): string {
  if (phase === 'sort') return 'sorting the old image';
  return `comparing and compressing ${size === 0 ? 100 : Math.floor((100 * done) / size)} %`;
}
