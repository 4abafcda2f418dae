import { createHash, randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock';
import { invalid, messageOf, PlatformError } from '../errors';
import { checkProductKey, isVersion, normalModule } from '../names';
import type { State } from '../state';
import type {
  Firmware,
  FirmwareFile,
  FirmwareFileOptions,
  FirmwareOptions,
  FirmwareSource,
  FirmwareTraffic,
} from '../types';
import type { Image } from './response';

const COPY_BYTES = 1 << 20;
const PART = '.part';
const MAX_FILES = 20;
/** With the endings that a device gives it on its way it fits a file system's 255. */
const MAX_NAME_BYTES = 242;

interface Parts {
  readonly state: State;
  readonly clock: Clock;
  /** Where the images are kept, as `{id}.bin`. */
  readonly directory: string;
  readonly maxBytes: number;
  readonly isInUse: (firmwareId: string) => boolean;
}

type Digests = Pick<Firmware, 'size' | 'md5' | 'sha256'>;

/** Size and digests of bytes that come in pieces. */
class Account {
  readonly #md5 = createHash('md5');
  readonly #sha256 = createHash('sha256');
  #size = 0;

  add(chunk: Uint8Array): void {
    this.#size += chunk.byteLength;
    this.#md5.update(chunk);
    this.#sha256.update(chunk);
  }

  get size(): number {
    return this.#size;
  }

  /** Once. */
  end(): Digests {
    return {
      size: this.#size,
      md5: this.#md5.digest('hex'),
      sha256: this.#sha256.digest('hex'),
    };
  }
}

/** The firmware packages: records in the state, images as files beside it. */
export class FirmwareStore {
  readonly #parts: Parts;
  readonly #images = new Map<string, Firmware>();
  /** What is served, by its id: firmware of one image, and each file of the others. */
  readonly #served = new Map<string, Image>();
  readonly #traffic = new Map<string, FirmwareTraffic>();

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
    for (const image of await state.load<Firmware>('firmware')) this.#enter(image);
    for (const name of await readdir(directory)) {
      const known = name.endsWith('.bin') && this.#served.has(name.slice(0, -'.bin'.length));
      if (name.endsWith(PART) || (name.endsWith('.bin') && !known)) await rm(join(directory, name));
    }
  }

  /**
   * Copies an image, or several files, into the store, digesting as it goes. Rejects with
   * ERR_INVALID_ARGUMENT (also for a file that cannot be read), ERR_FIRMWARE_TOO_LARGE; then nothing
   * stays.
   */
  async add(options: FirmwareOptions): Promise<Firmware> {
    check(options);
    const { state, clock, directory } = this.#parts;
    const id = newId();
    const copied = await this.#copyAll(id, options);
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
    this.#enter(image);
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
    const ids = servedIds(this.expect(id));
    this.#images.delete(id);
    for (const each of ids) this.#served.delete(each);
    this.#traffic.delete(id);
    state.remove('firmware', id);
    await state.flush();
    for (const each of ids) await rm(this.path(each), { force: true });
  }

  /** What was sent of a firmware since the start. Throws ERR_FIRMWARE_UNKNOWN. */
  traffic(id: string): FirmwareTraffic {
    this.expect(id);
    return this.#traffic.get(id) ?? { requests: 0, bytes: 0 };
  }

  /** @internal One more request for it has ended. */
  count(id: string, bytes: number): void {
    if (!this.#images.has(id)) return;
    const before = this.traffic(id);
    this.#traffic.set(id, { requests: before.requests + 1, bytes: before.bytes + bytes });
  }

  /** @internal */
  expect(id: string): Firmware {
    const image = this.#images.get(id);
    if (image !== undefined) return image;
    throw new PlatformError('ERR_FIRMWARE_UNKNOWN', `there is no firmware ${id}`);
  }

  /** @internal What is served under an id: that of an image or of one of several files. */
  image(id: string): Image | undefined {
    return this.#served.get(id);
  }

  /** Path of an image, or of one of several files. */
  path(id: string): string {
    return join(this.#parts.directory, `${id}.bin`);
  }

  #enter(image: Firmware): void {
    const { id, createdAt } = image;
    this.#images.set(id, image);
    for (const file of image.files ?? []) {
      this.#served.set(file.id, { ...file, createdAt, owner: id });
    }
    if (image.files === undefined) this.#served.set(id, { ...image, owner: id });
  }

  async #copyAll(
    id: string,
    options: FirmwareOptions,
  ): Promise<Digests & { readonly files?: readonly FirmwareFile[] }> {
    const all = new Account();
    if (options.files === undefined) {
      await this.#copy(await source(options), this.path(id), all, all);
      return all.end();
    }
    const files: FirmwareFile[] = [];
    try {
      for (const each of options.files) {
        const file = newId();
        const own = new Account();
        await this.#copy(await source(each), this.path(file), own, all);
        files.push({ id: file, name: each.name, ...own.end() });
      }
    } catch (error) {
      for (const file of files) await rm(this.path(file.id), { force: true });
      throw error;
    }
    return { ...all.end(), files };
  }

  /** Copies under another name first: a file called `.bin` is whole. */
  async #copy(
    chunks: AsyncIterable<Uint8Array>,
    path: string,
    own: Account,
    all: Account,
  ): Promise<void> {
    const part = path + PART;
    const target = await open(part, 'wx');
    try {
      for await (const chunk of chunks) {
        own.add(chunk);
        if (all !== own) all.add(chunk);
        if (all.size > this.#parts.maxBytes) throw tooLarge(this.#parts.maxBytes);
        await writeAll(target, chunk);
      }
      if (own.size === 0) throw invalid('the firmware is empty');
      await target.sync();
      await target.close();
      await rename(part, path);
    } catch (error) {
      await target.close().catch(() => undefined);
      await rm(part, { force: true });
      throw error;
    }
  }
}

function newId(): string {
  return randomBytes(8).toString('hex');
}

function servedIds({ id, files }: Firmware): string[] {
  return files === undefined ? [id] : files.map((file) => file.id);
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

async function source(options: FirmwareSource): Promise<AsyncIterable<Uint8Array>> {
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
  const { files } = options;
  if (files === undefined) checkSource(options, '');
  else checkFiles(options, files);
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

function sources({ file, data, stream }: FirmwareSource): number {
  return [file, data, stream].filter((each) => each !== undefined).length;
}

function checkSource(options: FirmwareSource, of: string): void {
  if (sources(options) !== 1)
    throw invalid(`exactly one of file, data and stream${of} must be given`);
}

function checkFiles(options: FirmwareOptions, files: readonly FirmwareFileOptions[]): void {
  if (sources(options) > 0) throw invalid('with files there is no file, data or stream');
  if (!Array.isArray(files) || files.length < 1 || files.length > MAX_FILES) {
    throw invalid(`files must be 1-${MAX_FILES} files`);
  }
  for (const each of files) {
    if (!isFileName(each.name)) {
      throw invalid(`the name of a file must be 1-${MAX_NAME_BYTES} bytes without a directory`);
    }
    checkSource(each, ` of ${each.name}`);
  }
  if (new Set(files.map(({ name }) => name)).size < files.length) {
    throw invalid('two files have the same name');
  }
}

function isFileName(name: unknown): boolean {
  if (typeof name !== 'string' || name === '' || name === '.' || name === '..') return false;
  return !/[/\\\p{Cc}]/u.test(name) && Buffer.byteLength(name) <= MAX_NAME_BYTES;
}
