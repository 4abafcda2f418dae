import { readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { connect, type Device, type Progress, type Upgrade } from 'iotkit-ota';
import { codeOf, describe, Failure, type FailureKind } from './failure';
import type { Provisioning } from './operator';

export interface InstallOptions {
  readonly signal: AbortSignal;
  readonly onProgress: (progress: Progress) => void;
}

/**
 * The device: a folder as its flash, and a connection while it runs. What it knows it was
 * provisioned with.
 */
export class Board {
  readonly #provisioning: Provisioning;
  readonly #flash: string;
  readonly #factoryVersion: string;
  #connection: Device | undefined;

  constructor(provisioning: Provisioning, flash: string, factoryVersion: string) {
    this.#provisioning = provisioning;
    this.#flash = flash;
    this.#factoryVersion = factoryVersion;
  }

  /** Where the image is installed. */
  get imagePath(): string {
    return path.join(this.#flash, 'firmware.bin');
  }

  /** Signs in to the platform. */
  async boot(signal: AbortSignal): Promise<void> {
    const { url, ca, ...identity } = this.#provisioning;
    // The platform of this example is on this machine: no proxy leads there.
    const fetch = { proxy: false } as const;
    this.#connection = await attempt('connect', 'could not sign in', signal, () =>
      connect({ ...identity, url, tls: { ca }, fetch, signal }),
    );
  }

  /** Tells the platform which version runs, and returns it. */
  async reportVersion(signal: AbortSignal): Promise<string> {
    const version = await this.#installedVersion();
    await attempt('connect', 'could not report its version', signal, () =>
      this.#device.ota.reportVersion(version, { signal }),
    );
    return version;
  }

  /** The next upgrade the platform announces. */
  async nextUpgrade(signal: AbortSignal): Promise<Upgrade> {
    for await (const upgrade of this.#device.ota.upgrades({ signal })) return upgrade;
    throw new Failure('notice', 'the connection was closed', adviceFor('notice', undefined));
  }

  /** Downloads and verifies the image; the next boot runs it. */
  async install(upgrade: Upgrade, { signal, onProgress }: InstallOptions): Promise<void> {
    await attempt('download', 'could not download the image', signal, () =>
      upgrade.download(this.imagePath, { signal, onProgress }),
    );
    await writeFile(`${this.#versionFile}.new`, upgrade.version, { flush: true });
    await rename(`${this.#versionFile}.new`, this.#versionFile);
  }

  /** Ends the connection, as a restart does. */
  async shutDown(): Promise<void> {
    await this.#connection?.close();
    this.#connection = undefined;
  }

  get #device(): Device {
    if (this.#connection === undefined) throw new Error('the device is not running');
    return this.#connection;
  }

  get #versionFile(): string {
    return path.join(this.#flash, 'version');
  }

  async #installedVersion(): Promise<string> {
    try {
      return await readFile(this.#versionFile, 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return this.#factoryVersion;
      throw error;
    }
  }
}

/**
 * Runs an action of the device; what goes wrong becomes a {@link Failure}, an abort stays what it
 * is.
 */
async function attempt<Result>(
  kind: FailureKind,
  what: string,
  signal: AbortSignal,
  action: () => Promise<Result>,
): Promise<Result> {
  try {
    return await action();
  } catch (error) {
    if (signal.aborted) throw signal.reason;
    const code = codeOf(error);
    const isImage = code === 'ERR_DIGEST_MISMATCH' || code === 'ERR_SIZE_MISMATCH';
    throw new Failure(
      isImage ? 'image' : kind,
      `the device ${what}: ${describe(error)}`,
      adviceFor(kind, code),
      { cause: error },
    );
  }
}

function adviceFor(kind: FailureKind, code: string | undefined): string {
  return (code && adviceByCode[code]) || (adviceByKind[kind] ?? 'Please report it.');
}

const adviceByCode: Readonly<Record<string, string>> = {
  ERR_MQTT_CREDENTIALS:
    'The device secret must be the one the platform has for this product key and device name.',
  ERR_DIGEST_MISMATCH:
    'The bytes that came are not those that were uploaded: look for a proxy or a bad disk.',
  ERR_SIZE_MISMATCH: 'The server has another image than the platform announced: upload it again.',
  ERR_HTTP_STATUS: 'The image is not at its address any more: upload it again.',
  ERR_URL_EXPIRED: 'The signed address has expired: start the upgrade again.',
  ERR_NO_SPACE: 'Make room in the temporary folder, or name another one in TMPDIR.',
  ERR_TLS_UNAVAILABLE:
    'This Node.js has no OpenSSL to share: install libssl, or use another build.',
  ERR_TLS_CERTIFICATE: 'The device must trust the CA of the platform (option tls.ca).',
};

const adviceByKind: Readonly<Partial<Record<FailureKind, string>>> = {
  connect: 'The platform must be reachable on the loopback interface: look for a firewall.',
  notice: 'The platform dropped the device: look at its output.',
  download: 'The firmware server must be reachable on the loopback interface; then run it again.',
};
