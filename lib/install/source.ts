/** Where the image comes from that is installed: a file, several files, or the download itself. */
import { IotkitError } from '../base/errors';
import type { DeltaInfo } from '../delta';
import type { Upgrade } from '../ota/upgrade';
import type { Images } from './images';
import type { InstallImage } from './installer';
import type { UpdateEntry } from './record';

/** @internal What an installer is given of an entry. */
export interface Source {
  /**
   * Resolves with the entry as the image has turned out to be. Of a difference its base is proven by
   * then, and the installer has not begun to write.
   *
   * @throws what a download throws
   */
  begin(entry: UpdateEntry): Promise<UpdateEntry>;
  /** Whether it is on the disk. */
  readonly isStored: boolean;
  image(entry: UpdateEntry): InstallImage;
  /**
   * After an installer has said that it is done: proves the bytes that it was given. Only the end of
   * a download says whether they were the right ones, so one that was left before is read to it.
   *
   * @throws what the download throws, also where the installer has kept it to itself; IotkitError
   *   ERR_INSTALL_FAILED where the installer has not looked at the image
   */
  prove(): Promise<void>;
  /** Whether the download has failed with this error, which it has then reported itself. */
  isReported(error: unknown): boolean;
  /** Ends the download, where it has not come to its end; which does not count as its failure. */
  close(): Promise<void>;
}

/** @internal What is on the disk. */
export class StoredSource implements Source {
  readonly isStored = true;
  readonly #images: Images;

  constructor(images: Images) {
    this.#images = images;
  }

  async begin(entry: UpdateEntry): Promise<UpdateEntry> {
    return entry;
  }

  image(entry: UpdateEntry): InstallImage {
    const { version, module, size, digest, files } = entry;
    if (files.length > 0) return { version, module, size, files: this.#images.filesOf(entry) };
    return { version, module, size, digest, path: this.#images.path(module) };
  }

  /** It was proven when it was downloaded. */
  async prove(): Promise<void> {}

  isReported(): boolean {
    return false;
  }

  async close(): Promise<void> {}
}

/** @internal */
export interface StreamOptions {
  readonly signal: AbortSignal;
  /** The percentage at which the image has been received. */
  readonly upTo: number;
  /** What a difference is applied to; undefined: it is none. */
  readonly base: string | undefined;
}

/** @internal What comes from the platform while it is installed. */
export class StreamedSource implements Source {
  readonly isStored = false;
  readonly #chunks: AsyncGenerator<Uint8Array, void, undefined>;
  #info: DeltaInfo | undefined;
  #first: IteratorResult<Uint8Array, void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #isOpened = false;
  #isReading = false;

  constructor(upgrade: Upgrade, { signal, upTo, base }: StreamOptions) {
    this.#chunks = upgrade.chunks({
      signal,
      report: { upTo },
      base,
      // A difference makes one piece after the other in the same memory.
      recycle: base !== undefined,
      onBase: (info) => {
        this.#info = info;
      },
    });
  }

  async begin(entry: UpdateEntry): Promise<UpdateEntry> {
    if (entry.delta === null) return entry;
    this.#first = await this.#next();
    if (this.#info === undefined) throw new IotkitError('ERR_INTERNAL', 'no base was proven');
    return { ...entry, ...resultOf(this.#info) };
  }

  image({ version, module, size, digest }: UpdateEntry): InstallImage {
    return { version, module, size, digest, open: () => this.#read() };
  }

  async prove(): Promise<void> {
    if (!this.#isOpened) {
      const detail = 'the installer says that it is done without the image: it has not opened it';
      throw new IotkitError('ERR_INSTALL_FAILED', detail);
    }
    while (this.#failure === undefined && !(await this.#next()).done);
    if (this.#failure !== undefined) throw this.#failure.error;
  }

  isReported(error: unknown): boolean {
    return this.#failure !== undefined && this.#failure.error === error;
  }

  async close(): Promise<void> {
    const ended = this.#chunks.return(undefined).catch(() => {});
    // It may be in the middle of a chunk: nobody waits for that.
    if (!this.#isReading) await ended;
  }

  // Leaving it does not end the download: what is left of it is still to be proven.
  async *#read(): AsyncGenerator<Uint8Array> {
    this.#isOpened = true;
    for (;;) {
      const next = this.#first ?? (await this.#next());
      this.#first = undefined;
      if (next.done) return;
      yield next.value;
    }
  }

  async #next(): Promise<IteratorResult<Uint8Array, void>> {
    this.#isReading = true;
    try {
      return await this.#chunks.next();
    } catch (error) {
      this.#failure = { error };
      throw error;
    } finally {
      this.#isReading = false;
    }
  }
}

/** @internal What an entry says of the image that a difference makes. */
export function resultOf({ result }: DeltaInfo): Pick<UpdateEntry, 'digest' | 'size'> {
  return { digest: { method: 'sha256', value: result.sha256 }, size: result.size };
}
