// Tested by test/integration/delta-cli.test.ts
/** `iotkit-ota delta`: makes the difference between two images, shows and applies it. See docs/delta.md. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile, stat } from 'node:fs/promises';
import { throwIfAborted } from '../base/signals';
import { applyDelta, type DeltaInfo, decodeHeader, HEADER_SIZE } from '../delta';
import { asExtData } from '../delta/announced';
import { fileError } from '../delta/file-errors';
import type { MakeProgress } from '../delta/make';
import { ResultFile } from '../delta/result-file';
import { expectWords, type Given } from './arguments';
import { type CommandLine, ending, readCommandLine } from './command';
import { made } from './delta/making';
import { UsageError } from './errors';
import { exitCodes, unreadable } from './exit-codes';
import { complain, print, printJson } from './output';
import { ProgressLine } from './progress-line';
import { stoppable } from './signals';

const usage = `Usage: iotkit-ota delta <command> [options]

  make <old> <new> -o <delta>     write what makes the new image of the old one
  info <delta>                    say which image it is for and what it makes
  apply <delta> <old> -o <new>    make the new image; nothing appears unless it is right

  -o, --output <file>      where to write; it appears whole or not at all. Not a file that is read,
                           but the old image of apply, which the new one may replace
  --quality <0-11>         of the compression; 11 (default) is smallest and slowest
  --json                   prints JSON, as docs/delta.md describes it
  --help

Exit codes: 0 done, 1 it failed, 2 wrong usage, 65 it is no delta, or not for this image, 66 a file
is not there, 73 the disk, 77 not permitted, 129 SIGHUP, 130 SIGINT, 143 SIGTERM; all of them are in
docs/agent.md`;

const own = {
  output: { type: 'string', short: 'o' },
  quality: { type: 'string' },
} as const;

type Values = Given<typeof own>;

/** What a command has found, for both kinds of output. */
interface Found {
  readonly delta: string;
  /** Bytes and SHA-256 of the delta. */
  readonly size: number;
  readonly sha256: string;
  readonly info: DeltaInfo;
}

type Subcommand = (files: readonly string[], given: Work) => Promise<Found>;

/** What a subcommand is given besides its files. */
interface Work extends CommandLine<typeof own> {
  readonly signal: AbortSignal;
}

/** @returns the exit code */
export async function main(args: readonly string[]): Promise<number> {
  const line = readCommandLine(args, own, { usage });
  if (typeof line === 'number') return line;
  return ending('delta', line.json, async () => {
    const found = await stoppable((signal) => run({ ...line, signal }), 'nothing was written');
    if (line.json) printJson(asJson(found), 2);
    else print(asText(found));
    return exitCodes.done;
  });
}

async function run(work: Work): Promise<Found> {
  const {
    words: [name, ...files],
    values,
  } = work;
  if (name === undefined) throw new UsageError('make, info or apply is missing; see --help');
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) throw new UsageError(`there is no delta ${name}; see --help`);
  expectWords(files, command.files);
  const isWriting = command.files.length === 2;
  if (isWriting && values.output === undefined) throw new UsageError(`${name} needs -o <file>`);
  const other = isWriting ? undefined : Object.keys(values).find((it) => it in own);
  if (other !== undefined) throw new UsageError(`${name} takes no --${other}`);
  return command.run(files, work);
}

const make: Subcommand = async ([old = '', image = ''], { values, json, signal }) => {
  const quality = qualityOf(values);
  const output = values.output ?? '';
  await expectOther(output, [old, image]);
  const work = { old: await whole(old), image: await whole(image), quality };
  const progress = new ProgressLine(!json);
  const onProgress = (it: MakeProgress): void => progress.show(progressText(it));
  await write(output, made(work, onProgress, signal), signal).finally(() => progress.end());
  return describe(output);
};

const apply: Subcommand = async ([delta = '', old = ''], { values, signal }) => {
  if (values.quality !== undefined) throw new UsageError('apply takes no --quality');
  const output = values.output ?? '';
  await expectOther(output, [delta]);
  const found = await describe(delta, signal);
  const source = createReadStream(delta);
  await write(
    output,
    applyDelta(source, old, { recycle: true, signal }),
    signal,
    found.info.result.size,
  );
  return found;
};

const commands: Readonly<
  Record<string, { readonly files: readonly string[]; readonly run: Subcommand }>
> = {
  make: { files: ['<old>', '<new>'], run: make },
  info: { files: ['<delta>'], run: ([delta = ''], { signal }) => describe(delta, signal) },
  apply: { files: ['<delta>', '<old>'], run: apply },
};

function qualityOf({ quality = '11' }: Values): number {
  if (/^(?:\d|1[01])$/.test(quality)) return Number(quality);
  throw new UsageError('--quality must be a whole number, 0-11');
}

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
  return readFile(file).catch((cause) => Promise.reject(readError(file, cause)));
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
  if (notDurable !== undefined) complain(`iotkit-ota delta: ${notDurable}`);
}

/** @param signal undefined: the delta is written, and nothing ends that any more */
async function describe(delta: string, signal?: AbortSignal): Promise<Found> {
  const file = await open(delta).catch((cause) => Promise.reject(fileError(delta, cause)));
  try {
    const head = Buffer.alloc(HEADER_SIZE);
    const { bytesRead } = await file.read(head, 0, HEADER_SIZE, 0);
    const info = decodeHeader(head.subarray(0, bytesRead));
    const hash = createHash('sha256');
    let size = 0;
    for await (const chunk of file.createReadStream({ start: 0, autoClose: false })) {
      throwIfAborted(signal);
      hash.update(chunk);
      size += chunk.length;
    }
    return { delta, size, sha256: hash.digest('hex'), info };
  } catch (cause) {
    throwIfAborted(signal);
    throw readError(delta, cause);
  } finally {
    await file.close();
  }
}

/** A directory can be opened, and is no file. */
function readError(file: string, cause: unknown): Error {
  return Object(cause).code === 'EISDIR' ? unreadable(file, cause) : fileError(file, cause);
}

function asJson({ delta, size, sha256, info }: Found): object {
  return { schema: 1, ok: true, delta, size, sha256, ...info, extData: asExtData(info) };
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
