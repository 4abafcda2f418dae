// firmware/: the images. options.ts checks what may be added, image-files.ts copies and removes;
// server.ts serves at addresses of signed-url.ts, with heads of response.ts and bodies of body.ts.
// Imports base, store, faults, types, devices (names), events (types).

import { stat } from 'node:fs/promises';
import type { Clock } from '../base/clock';
import { PlatformError } from '../base/errors';
import type { StateProblems } from '../base/problems';
import { normalModule } from '../devices/names';
import { OwnedFiles } from '../store/owned-files';
import type { Store } from '../store/store';
import type { Firmware } from '../types/firmware';
import { ImageFiles, newId } from './image-files';
import { checkFirmwareOptions, type FirmwareOptions } from './options';
import type { Image } from './response';

/** What was sent of a firmware since the platform was started. */
export interface FirmwareTraffic {
  /** HTTP requests that have ended, and blocks over MQTT. */
  readonly requests: number;
  /** Of the image: heads, framing and what a fault added are not counted. */
  readonly bytes: number;
}

interface Dependencies {
  readonly store: Store;
  readonly problems: StateProblems;
  readonly clock: Clock;
  /** The images are kept in its `firmware`, as `{id}.bin`. */
  readonly stateDir: string;
  readonly maxBytes: number;
  readonly isInUse: (firmwareId: string) => boolean;
}

/** The firmware packages: their records in the store, their images as files. */
export class FirmwareStore {
  readonly #deps: Dependencies;
  readonly #files: OwnedFiles;
  readonly #copies: ImageFiles;
  readonly #images = new Map<string, Firmware>();
  /** What is served, by its id: firmware of one image, and each file of the others. */
  readonly #served = new Map<string, Image>();
  /** Served ids whose files are not there, or are not whole. */
  readonly #missing = new Set<string>();
  /** Ids of what is being removed: nothing begins with them any more. */
  readonly #removing = new Set<string>();
  /** Product, module and version of what is being added. */
  readonly #claims = new Set<string>();
  readonly #traffic = new Map<string, FirmwareTraffic>();

  constructor(deps: Dependencies) {
    this.#deps = deps;
    this.#files = new OwnedFiles(deps.store, deps.stateDir, 'firmware');
    this.#copies = new ImageFiles(this.#files, deps.maxBytes);
  }

  /** Where the images are, as `{id}.bin`: what a web server or CDN in front has to serve. */
  get directory(): string {
    return this.#files.directory;
  }

  /** Largest firmware accepted. */
  get maxBytes(): number {
    return this.#deps.maxBytes;
  }

  /** @internal Reads the store, and removes what an interrupted upload or removal has left. */
  async load(): Promise<void> {
    const images = await this.#deps.store.load<Firmware>('firmware');
    for (const image of images) this.#add(image);
    await this.#files.open();
    for (const id of this.#served.keys()) await this.isWhole(id);
  }

  /** @internal Whether what is served under an id is there; a problem is reported where it is not. */
  async isWhole(id: string): Promise<boolean> {
    const size = await stat(this.path(id)).then(
      (found) => found.size,
      () => undefined,
    );
    const wanted = this.#served.get(id)?.size;
    if (size !== undefined && size === wanted) {
      this.#missing.delete(id);
      return true;
    }
    this.#missing.add(id);
    const reason = size === undefined ? 'it is not there' : `it has ${size} bytes, not ${wanted}`;
    this.#deps.problems.report({ what: 'image', name: `firmware/${id}.bin`, reason });
    return false;
  }

  /** @internal A firmware that can be announced: its record and its images are there. */
  available(id: string): Firmware | undefined {
    const firmware = this.#images.get(id);
    const isMissing = firmware && servedIds(firmware).some((each) => this.#missing.has(each));
    return isMissing ? undefined : firmware;
  }

  /** @internal Names of files beside the images that no record names; they are left alone. */
  strangers(): Promise<string[]> {
    return this.#files.strangers((id) => this.#served.has(id));
  }

  /**
   * Copies an image, or several files, into the store, digesting as it goes. Rejects with
   * ERR_INVALID_ARGUMENT (also for a file that cannot be read), ERR_FIRMWARE_EXISTS, ERR_FIRMWARE_TOO_LARGE,
   * ERR_STATE_FULL or ERR_STATE, and then nothing of it stays.
   */
  async add(options: FirmwareOptions): Promise<Firmware> {
    checkFirmwareOptions(options);
    const release = this.#claimVersion(options);
    try {
      return await this.#addClaimed(options);
    } finally {
      release();
    }
  }

  async #addClaimed(options: FirmwareOptions): Promise<Firmware> {
    const { store, clock } = this.#deps;
    const id = newId();
    const ids = options.files?.map(newId) ?? [id];
    await this.#files.announce(ids);
    const copied = await this.#copies.copy(ids, options);
    const { productKey, version, signMethod, sourceVersions, isDiff, extData } = options;
    const module = normalModule(options.module);
    const image: Firmware = {
      id,
      productKey,
      version,
      ...(module !== undefined && { module }),
      ...copied,
      signMethod: signMethod ?? 'MD5',
      ...(sourceVersions !== undefined && { sourceVersions: [...sourceVersions] }),
      isDiff: isDiff ?? false,
      ...(extData !== undefined && { extData: { ...extData } }),
      createdAt: clock.now(),
    };
    try {
      await store.commit([{ kind: 'firmware', key: id, record: image }, ...this.#files.keep(ids)]);
    } catch (error) {
      await this.#files.remove(ids);
      throw error;
    }
    this.#add(image);
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
    const { store, isInUse } = this.#deps;
    this.expect(id);
    if (isInUse(id)) {
      throw new PlatformError('ERR_FIRMWARE_IN_USE', `an unfinished upgrade uses firmware ${id}`);
    }
    const ids = servedIds(this.expect(id));
    this.#removing.add(id);
    try {
      await store.commit([{ kind: 'firmware', key: id }, ...this.#files.condemn(ids)]);
    } finally {
      this.#removing.delete(id);
    }
    this.#images.delete(id);
    for (const each of ids) {
      this.#served.delete(each);
      this.#missing.delete(each);
    }
    this.#traffic.delete(id);
    await this.#files.remove(ids);
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
    if (image !== undefined && !this.#removing.has(id)) return image;
    throw new PlatformError('ERR_FIRMWARE_UNKNOWN', `there is no firmware ${id}`);
  }

  /** @internal What is served under an id: that of an image or of one of several files. */
  image(id: string): Image | undefined {
    return this.#served.get(id);
  }

  /** Path of an image, or of one of several files. */
  path(id: string): string {
    return this.#files.path(id);
  }

  /** Throws ERR_FIRMWARE_EXISTS, before anything of the body is read. */
  #claimVersion(options: FirmwareOptions): () => void {
    const { productKey, version, allowSameVersion } = options;
    const claim = `${productKey} ${normalModule(options.module) ?? ''} ${version}`;
    const isTaken = ({ productKey, module, version }: Firmware): boolean =>
      `${productKey} ${module ?? ''} ${version}` === claim;
    const isBeingAdded = this.#claims.has(claim);
    if (!allowSameVersion && (isBeingAdded || this.list().some(isTaken))) {
      throw new PlatformError(
        'ERR_FIRMWARE_EXISTS',
        isBeingAdded
          ? `a firmware ${version} of this product and module is being added: try again when that has ended`
          : `there is a firmware ${version} of this product and module already`,
      );
    }
    this.#claims.add(claim);
    return () => this.#claims.delete(claim);
  }

  #add(image: Firmware): void {
    const { id, createdAt } = image;
    this.#images.set(id, image);
    for (const file of image.files ?? []) {
      this.#served.set(file.id, { ...file, createdAt, owner: id });
    }
    if (image.files === undefined) this.#served.set(id, { ...image, owner: id });
  }
}

function servedIds({ id, files }: Firmware): string[] {
  return files === undefined ? [id] : files.map((file) => file.id);
}
