import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock';
import { invalid, messageOf, PlatformError } from '../errors';
import { checkProductKey, isVersion, normalModule } from '../names';
import type { State } from '../state';
import type { Firmware, FirmwareOptions } from '../types';

const COPY_BYTES = 1 << 20;
const PART = '.part';

interface Parts {
  readonly state: State;
  readonly clock: Clock;
  /** Where the images are kept, as `{id}.bin`. */
  readonly directory: string;
  readonly maxBytes: number;
  readonly isInUse: (firmwareId: string) => boolean;
}

interface Copied {
  readonly size: number;
  readonly md5: string;
  readonly sha256: string;
}

/** The firmware packages: records in the state, images as files beside it. */
export class FirmwareStore {
  readonly #parts: Parts;
  readonly #images = new Map<string, Firmware>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Where the images are, as `{id}.bin`: what a web server or CDN in front has to serve. */
  get directory(): string {
    return this.#parts.directory;
  }

  /** @internal Takes the state over; what an interrupted upload left is removed. */
  async load(): Promise<void> {
    const { state, directory } = this.#parts;
    await mkdir(directory, { recursive: true });
    for (const image of await state.load<Firmware>('firmware')) this.#images.set(image.id, image);
    for (const name of await readdir(directory)) {
      const known = name.endsWith('.bin') && this.#images.has(name.slice(0, -'.bin'.length));
      if (name.endsWith(PART) || (name.endsWith('.bin') && !known)) await rm(join(directory, name));
    }
  }

  /**
   * Copies an image into the store, digesting as it goes. Rejects with ERR_INVALID_ARGUMENT (also
   * for a file that cannot be read), ERR_FIRMWARE_TOO_LARGE.
   */
  async add(options: FirmwareOptions): Promise<Firmware> {
    check(options);
    const { state, clock, directory } = this.#parts;
    const id = randomBytes(8).toString('hex');
    const path = this.path(id);
    const copied = await this.#copy(await source(options), path);
    const { productKey, version, signMethod, sourceVersions, isDiff, extData } = options;
    const module = normalModule(options.module);
    const image: Firmware = {
      id,
      productKey,
      version,
      ...(module !== undefined && { module }),
      ...copied,
      signMethod: signMethod ?? 'SHA256',
      ...(sourceVersions !== undefined && { sourceVersions: [...sourceVersions] }),
      isDiff: isDiff ?? false,
      ...(extData !== undefined && { extData: { ...extData } }),
      createdAt: clock.now(),
    };
    await syncDirectory(directory);
    this.#images.set(id, image);
    state.put('firmware', id, image);
    await state.flush();
    return image;
  }

  get(id: string): Firmware | undefined {
    return this.#images.get(id);
  }

  /** Oldest first. */
  list(): Firmware[] {
    return [...this.#images.values()].sort((a, b) => a.createdAt - b.createdAt);
  }

  /** Removes a package and its image. Rejects with ERR_FIRMWARE_UNKNOWN, ERR_FIRMWARE_IN_USE. */
  async remove(id: string): Promise<void> {
    const { state, isInUse } = this.#parts;
    this.expect(id);
    if (isInUse(id)) {
      throw new PlatformError('ERR_FIRMWARE_IN_USE', `an unfinished upgrade uses firmware ${id}`);
    }
    this.#images.delete(id);
    state.remove('firmware', id);
    await state.flush();
    await rm(this.path(id), { force: true });
  }

  /** @internal */
  expect(id: string): Firmware {
    const image = this.#images.get(id);
    if (image !== undefined) return image;
    throw new PlatformError('ERR_FIRMWARE_UNKNOWN', `there is no firmware ${id}`);
  }

  /** Path of an image. */
  path(id: string): string {
    return join(this.#parts.directory, `${id}.bin`);
  }

  /** Copies under another name first: a file called `.bin` is whole. */
  async #copy(chunks: AsyncIterable<Uint8Array>, path: string): Promise<Copied> {
    const part = path + PART;
    const md5 = createHash('md5');
    const sha256 = createHash('sha256');
    const target = await open(part, 'wx');
    let size = 0;
    try {
      for await (const chunk of chunks) {
        size += chunk.byteLength;
        if (size > this.#parts.maxBytes) throw tooLarge(this.#parts.maxBytes);
        md5.update(chunk);
        sha256.update(chunk);
        await writeAll(target, chunk);
      }
      if (size === 0) throw invalid('the firmware is empty');
      await target.sync();
      await target.close();
      await rename(part, path);
    } catch (error) {
      await target.close().catch(() => undefined);
      await rm(part, { force: true });
      throw error;
    }
    return { size, md5: md5.digest('hex'), sha256: sha256.digest('hex') };
  }
}

async function writeAll(
  target: Awaited<ReturnType<typeof open>>,
  chunk: Uint8Array,
): Promise<void> {
  for (let sent = 0; sent < chunk.byteLength; ) {
    const { bytesWritten } = await target.write(chunk, sent);
    sent += bytesWritten;
  }
}

async function source(options: FirmwareOptions): Promise<AsyncIterable<Uint8Array>> {
  if (options.stream !== undefined) return options.stream;
  if (options.data !== undefined) return one(options.data);
  const file = options.file as string;
  try {
    if (!(await stat(file)).isFile()) throw invalid('it is not a file');
  } catch (error) {
    throw invalid(`cannot read ${file}: ${messageOf(error)}`);
  }
  return createReadStream(file, { highWaterMark: COPY_BYTES });
}

async function* one(data: Uint8Array): AsyncGenerator<Uint8Array> {
  yield data;
}

/** Makes a rename last. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

function tooLarge(maxBytes: number): PlatformError {
  return new PlatformError(
    'ERR_FIRMWARE_TOO_LARGE',
    `the firmware is larger than ${maxBytes} bytes`,
  );
}

function check(options: FirmwareOptions): void {
  checkProductKey(options.productKey);
  if (!isVersion(options.version)) {
    throw invalid('version must be 1-64 letters, digits, ".", "-", "_"');
  }
  if (options.module !== undefined && !isVersion(options.module)) {
    throw invalid('module must be 1-64 letters, digits, ".", "-", "_"');
  }
  const given = [options.file, options.data, options.stream].filter((each) => each !== undefined);
  if (given.length !== 1) throw invalid('exactly one of file, data and stream must be given');
  if (options.signMethod !== undefined && !['MD5', 'SHA256'].includes(options.signMethod)) {
    throw invalid("signMethod must be 'MD5' or 'SHA256'");
  }
  if (options.sourceVersions?.every(isVersion) === false) {
    throw invalid('sourceVersions must be versions');
  }
  if (options.isDiff && options.sourceVersions === undefined) {
    throw invalid('a delta package needs sourceVersions');
  }
  for (const [key, value] of Object.entries(options.extData ?? {})) checkExtData(key, value);
}

function checkExtData(key: string, value: unknown): void {
  const limit = key === '_package_udi' ? 4096 : 1024;
  if (key.length < 1 || key.length > 30) throw invalid('keys of extData have 1-30 characters');
  if (typeof value !== 'string' || value.length > limit) {
    throw invalid(`extData.${key} must be a string of at most ${limit} characters`);
  }
}
