import { createHash, randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock';
import { invalid, PlatformError } from '../errors';
import type { Image } from '../firmware/response';
import type { State } from '../state';
import type { ConfigOptions, RemoteConfig } from '../types';

/** The platform's limit on a configuration. */
const MAX_BYTES = 64 * 1024;

/** The configurations: one record for each product, its file beside the state. */
export class ConfigStore {
  readonly #state: State;
  readonly #clock: Clock;
  readonly #directory: string;
  readonly #configs = new Map<string, RemoteConfig>();

  constructor(state: State, clock: Clock, directory: string) {
    this.#state = state;
    this.#clock = clock;
    this.#directory = directory;
  }

  /** Takes the state over; files that no record names are removed. */
  async load(): Promise<void> {
    await mkdir(this.#directory, { recursive: true, mode: 0o700 });
    for (const config of await this.#state.load<RemoteConfig>('config')) {
      this.#configs.set(config.productKey, config);
    }
    const known = new Set(this.list().map(({ id }) => `${id}.bin`));
    for (const name of await readdir(this.#directory)) {
      if (!known.has(name)) await rm(join(this.#directory, name));
    }
  }

  /** The file is whole before the record names it, and the one before goes after that. */
  async set({ productKey, data, signMethod }: ConfigOptions): Promise<RemoteConfig> {
    const bytes = Buffer.from(data as Uint8Array);
    if (bytes.length === 0) throw invalid('the configuration is empty');
    if (bytes.length > MAX_BYTES) throw tooLarge();
    const config: RemoteConfig = {
      id: randomBytes(8).toString('hex'),
      productKey,
      size: bytes.length,
      md5: createHash('md5').update(bytes).digest('hex'),
      sha256: createHash('sha256').update(bytes).digest('hex'),
      signMethod: signMethod ?? 'SHA256',
      createdAt: this.#clock.now(),
    };
    await this.#write(this.path(config.id), bytes);
    const before = this.#configs.get(productKey);
    this.#configs.set(productKey, config);
    this.#state.put('config', productKey, config);
    await this.#state.flush();
    if (before !== undefined) await rm(this.path(before.id), { force: true });
    return config;
  }

  async remove(productKey: string): Promise<void> {
    const config = this.#configs.get(productKey);
    if (config === undefined) return;
    this.#configs.delete(productKey);
    this.#state.remove('config', productKey);
    await this.#state.flush();
    await rm(this.path(config.id), { force: true });
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
    return join(this.#directory, `${id}.bin`);
  }

  async #write(path: string, bytes: Buffer): Promise<void> {
    const part = `${path}.part`;
    const file = await open(part, 'wx', 0o600);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(part, path);
  }
}

/** Reads a configuration that is sent, no further than it may be long. */
export async function readConfig(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of stream) {
    size += chunk.byteLength;
    if (size > MAX_BYTES) throw tooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function tooLarge(): PlatformError {
  return new PlatformError(
    'ERR_CONFIG_TOO_LARGE',
    `the configuration is larger than ${MAX_BYTES} bytes`,
  );
}
