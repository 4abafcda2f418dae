// Tested by test/integration/download-command.test.ts
/**
 * The platform of a command: it has announced one image, and hears nothing. What the image is downloaded and
 * verified by is the engine, as if the real one had announced it.
 */
import type { AttachedDevice } from '../../device/attach';
import type { AttachReceive } from '../../device/attach-options';
import type { FetchOptions } from '../../options/fetch';
import type { VerifyOptions } from '../../options/verify';
import type { Upgrade } from '../../ota/upgrade';
import type { ImageNotice } from './described';

export interface LocalOptions {
  readonly productKey: string;
  readonly deviceName: string;
  readonly fetch: FetchOptions | undefined;
  readonly verify: VerifyOptions | undefined;
}

/** No device of any product: the platform that announces the image is the command. */
export const nobody = { productKey: 'a1command', deviceName: 'iotkit-ota' } as const;

/** A device that is offered images by {@link LocalPlatform.offered} alone. */
export class LocalPlatform {
  readonly device: AttachedDevice;
  readonly #topic: string;
  /** Resolves when notices are taken. */
  readonly #listening: Promise<void>;
  #receive: AttachReceive = () => false;

  /** @throws InvalidArgument; IotkitError ERR_TLS_CA, ERR_PUBLIC_KEY, … */
  constructor({ productKey, deviceName, fetch, verify }: LocalOptions) {
    const { attach } = require('../../device/attach') as typeof import('../../device/attach');
    this.#topic = `/ota/device/upgrade/${productKey}/${deviceName}`;
    let listens = (): void => {};
    this.#listening = new Promise((resolve) => {
      listens = resolve;
    });
    this.device = attach({
      ...{ productKey, deviceName, fetch, verify },
      publish: () => {},
      subscribe: (topic) => {
        if (topic === this.#topic) listens();
      },
      onMessage: (receive) => {
        this.#receive = receive;
      },
    });
    // The command waits for it.
    this.device.ref();
  }

  /** The notice has no id: nobody waits for an answer to it. */
  async #announce(notice: ImageNotice & { readonly size: number }, url: string): Promise<void> {
    await this.#listening;
    const message = { code: '1000', message: 'success', data: { ...notice, url } };
    this.#receive(this.#topic, Buffer.from(JSON.stringify(message)));
  }

  /** @returns the image; rejects with why it is refused */
  async offered(notice: ImageNotice & { readonly size: number }, url: string): Promise<Upgrade> {
    const ending = new AbortController();
    const options = { module: notice.module, signal: ending.signal };
    const upgrades = this.device.ota.upgrades(options)[Symbol.asyncIterator]();
    const refusal = new Promise<never>((_, reject) => {
      this.device.on('refused', reject);
    });
    try {
      const next = upgrades.next();
      next.catch(() => {}); // where it is refused
      await this.#announce(notice, url);
      const { value } = await Promise.race([next, refusal]);
      return value as Upgrade;
    } finally {
      ending.abort();
    }
  }
}
