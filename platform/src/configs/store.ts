import { createHash, randomBytes } from 'node:crypto';
import { open, rename, stat } from 'node:fs/promises';
import type { Clock } from '../base/clock';
import { invalid, isFull, messageOf, PlatformError } from '../base/errors';
import type { StateProblems } from '../base/problems';
import type { Image } from '../firmware/response';
import { OwnedFiles } from '../store/owned-files';
import type { Store } from '../store/store';
import type { RemoteConfig } from '../types/config';
import type { ConfigOptions } from './options';

/** The platform's limit on a configuration. */
export const MAX_CONFIG_BYTES = 64 * 1024;

/** The configurations: for each product a record in the store, and a file of its own. */
export class ConfigStore {
  readonly #store: Store;
  readonly #problems: StateProblems;
  readonly #clock: Clock;
  readonly #files: OwnedFiles;
  readonly #configs = new Map<string, RemoteConfig>();

  /** The files are kept in the state directory's `config`. */
  constructor(store: Store, clock: Clock, stateDir: string, problems: StateProblems) {
    this.#store = store;
    this.#problems = problems;
    this.#clock = clock;
    this.#files = new OwnedFiles(store, stateDir, 'config');
  }

  /** Reads the store; removes what an interrupted change has left. */
  async load(): Promise<void> {
    for (const config of await this.#store.load<RemoteConfig>('config')) {
      this.#configs.set(config.productKey, config);
    }
    await this.#files.open(0o700);
    for (const { id } of this.list()) await this.isWhole(id);
  }

  /** Whether a file is there; a problem is reported where it is not. */
  async isWhole(id: string): Promise<boolean> {
    const size = await stat(this.path(id)).then(
      (found) => found.size,
      () => undefined,
    );
    if (size !== undefined && size === this.image(id)?.size) return true;
    const reason = size === undefined ? 'it is not there' : `it has ${size} bytes`;
    this.#problems.report({ what: 'image', name: `config/${id}.bin`, reason });
    return false;
  }

  /** Names of files beside the configurations that no record names; they are left alone. */
  strangers(): Promise<string[]> {
    return this.#files.strangers((id) => this.image(id) !== undefined);
  }

  /** Writes the file, then the record that names it, and only then removes the file before. */
  async set({ productKey, data, signMethod }: ConfigOptions): Promise<RemoteConfig> {
    const bytes = Buffer.from(data as Uint8Array);
    if (bytes.length === 0) throw invalid('the configuration is empty');
    if (bytes.length > MAX_CONFIG_BYTES) throw tooLarge();
    const config: RemoteConfig = {
      id: randomBytes(8).toString('hex'),
      productKey,
      size: bytes.length,
      md5: createHash('md5').update(bytes).digest('hex'),
      sha256: createHash('sha256').update(bytes).digest('hex'),
      signMethod: signMethod ?? 'SHA256',
      createdAt: this.#clock.now(),
    };
    await this.#files.announce([config.id]);
    try {
      await this.#write(config.id, bytes);
      const before = this.#configs.get(productKey);
      const replaced = before === undefined ? [] : [before.id];
      await this.#store.commit([
        { kind: 'config', key: productKey, record: config },
        ...this.#files.keep([config.id]),
        ...this.#files.condemn(replaced),
      ]);
      // Another change of the same product may have come between.
      const last = this.#configs.get(productKey);
      this.#configs.set(productKey, config);
      await this.#files.remove(last === undefined ? replaced : [...replaced, last.id]);
      return config;
    } catch (error) {
      if (this.#configs.get(productKey) !== config) await this.#files.remove([config.id]);
      throw isFull(error) ? full(error) : error;
    }
  }

  async remove(productKey: string): Promise<void> {
    const config = this.#configs.get(productKey);
    if (config === undefined) return;
    await this.#store.commit([
      { kind: 'config', key: productKey },
      ...this.#files.condemn([config.id]),
    ]);
    this.#configs.delete(productKey);
    await this.#files.remove([config.id]);
  }

  get(productKey: string): RemoteConfig | undefined {
    return this.#configs.get(productKey);
  }

  /** What is served at the address of a configuration. */
  image(id: string): Image | undefined {
    const config = this.list().find((each) => each.id === id);
    return config && { ...config, owner: id };
  }

  list(): RemoteConfig[] {
    return [...this.#configs.values()];
  }

  path(id: string): string {
    return this.#files.path(id);
  }

  async #write(id: string, bytes: Buffer): Promise<void> {
    const part = this.#files.partPath(id);
    const file = await open(part, 'wx', 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(part, this.#files.path(id));
  }
}

/** Reads a configuration that is sent; stops with an error when it is longer than it may be. */
export async function readConfig(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.byteLength;
    if (size > MAX_CONFIG_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function full(cause: unknown): PlatformError {
  const text = `there is no room for the configuration: ${messageOf(cause)}`;
  return new PlatformError('ERR_STATE_FULL', text, { cause });
}

function tooLarge(): PlatformError {
  return new PlatformError(
    'ERR_CONFIG_TOO_LARGE',
    `the configuration is larger than ${MAX_CONFIG_BYTES} bytes`,
  );
}
