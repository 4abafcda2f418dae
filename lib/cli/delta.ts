// Tested by test/integration/delta-cli.test.ts
/** `iotkit-ota delta`: makes the difference between two images, shows and applies it. See docs/delta.md. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { isInvalidArgument } from '../base/arguments';
import { IotkitError } from '../base/errors';
import { applyDelta, type DeltaInfo, decodeHeader, HEADER_SIZE } from '../delta';
import { asExtData } from '../delta/announced';
import { fileError } from '../delta/file-errors';
import { type MakeProgress, makeDelta } from '../delta/make';
import { ResultFile } from '../delta/result-file';
import { ProgressLine } from './progress-line';

const usage = `Usage: iotkit-ota delta <command> [options]

  make <old> <new> -o <delta>     write what makes the new image of the old one
  info <delta>                    say which image it is for and what it makes
  apply <delta> <old> -o <new>    make the new image; nothing appears unless it is right

  -o, --output <file>      where to write; it appears whole or not at all
  --quality <0-11>         of the compression; 11 (default) is smallest and slowest
  --json                   prints JSON, as docs/delta.md describes it
  --help

Exit codes: 0 it is done, 1 it has failed, 2 wrong usage`;

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

type Subcommand = (files: readonly string[], values: Values) => Promise<Found>;

const commands: Readonly<Record<string, { readonly files: number; readonly run: Subcommand }>> = {
  make: { files: 2, run: make },
  info: { files: 1, run: ([delta = '']) => describe(delta) },
  apply: { files: 2, run: apply },
};

class UsageError extends Error {}

function parse(args: readonly string[]) {
  return parseArgs({ args: [...args], options, strict: true, allowPositionals: true });
}

/** @returns the exit code: 0 it is done, 1 it has failed, 2 wrong usage */
export async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parse(args);
  if (values.help) {
    console.log(usage);
    return 0;
  }
  try {
    const found = await run(positionals, values);
    console.log(values.json ? asJson(found) : asText(found));
    return 0;
  } catch (error) {
    return report(error, values.json);
  }
}

function run([name = '', ...files]: readonly string[], values: Values): Promise<Found> {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) throw new UsageError(name === '' ? 'no command' : `${name}?`);
  if (files.length !== command.files) throw new UsageError(`${name} takes ${command.files} files`);
  const isWriting = command.files === 2;
  if (isWriting !== (values.output !== undefined)) {
    throw new UsageError(isWriting ? `${name} needs -o <file>` : `${name} writes nothing`);
  }
  return command.run(files, values);
}

function report(error: unknown, json: boolean): number {
  if (error instanceof UsageError) {
    console.error(`iotkit-ota delta: ${error.message}\nSee iotkit-ota delta --help.`);
    return 2;
  }
  if (!IotkitError.is(error) && !isInvalidArgument(error)) throw error;
  const { code, message } = error;
  if (json)
    console.log(JSON.stringify({ schema: 1, ok: false, error: { code, message } }, null, 2));
  else console.error(`iotkit-ota delta: ${code}: ${message}`);
  return 1;
}

async function make([old = '', image = '']: readonly string[], values: Values): Promise<Found> {
  const quality = /^(?:\d|1[01])$/.test(values.quality) ? Number(values.quality) : undefined;
  if (quality === undefined) throw new UsageError('--quality must be a number, 0-11');
  const [before, after] = [await whole(old), await whole(image)];
  const output = values.output ?? '';
  const progress = new ProgressLine();
  const onProgress = (it: MakeProgress): void => progress.show(progressText(it));
  await write(output, makeDelta(before, after, { quality, onProgress })).finally(() =>
    progress.end(),
  );
  return describe(output);
}

async function apply([delta = '', old = '']: readonly string[], values: Values): Promise<Found> {
  const found = await describe(delta);
  const source = createReadStream(delta);
  await write(values.output ?? '', applyDelta(source, old, { recycle: true }));
  return found;
}

async function whole(file: string): Promise<Buffer> {
  return readFile(file).catch((cause) => Promise.reject(fileError(file, cause)));
}

async function write(file: string, chunks: AsyncIterable<Uint8Array>): Promise<void> {
  const output = await ResultFile.open(file);
  let offset = 0;
  try {
    for await (const chunk of chunks) {
      await output.write(chunk, offset);
      offset += chunk.length;
    }
  } catch (error) {
    await output.discard();
    throw error;
  }
  await output.commit();
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
