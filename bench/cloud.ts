import { type Firmware, Platform } from 'iotkit-ota-platform';
import type { OurWork, Sink } from './peer-ours';
import type { Download } from './work';

const PRODUCT_KEY = 'a1Bench';

/**
 * The platform that announces each download to a device of its own; the image is served by
 * somebody else.
 */
export class Cloud {
  readonly #platform: Platform;
  readonly #firmware: Firmware;
  #devices = 0;

  private constructor(platform: Platform, firmware: Firmware) {
    this.#platform = platform;
    this.#firmware = firmware;
  }

  static async start(): Promise<Cloud> {
    const platform = await Platform.start();
    const data = Buffer.from('stands for the image, which each notice names anew');
    const firmware = await platform.firmware.add({
      productKey: PRODUCT_KEY,
      version: '2.0.0',
      data,
    });
    return new Cloud(platform, firmware);
  }

  /** A new device for which the download is announced as soon as it reports its version. */
  async announce(download: Download, sink: Sink): Promise<OurWork> {
    this.#devices += 1;
    const deviceName = `bench-${this.#devices}`;
    const { deviceSecret } = await this.#platform.devices.add({
      productKey: PRODUCT_KEY,
      deviceName,
    });
    const { url, size, digest, method, ca, target } = download;
    this.#platform.faults.set({
      kind: 'notice-patch',
      deviceName,
      data: { url, size, sign: digest, md5: null, signMethod: method.toUpperCase() },
    });
    await this.#platform.upgrades.start({ firmwareId: this.#firmware.id, devices: [deviceName] });
    return {
      device: {
        productKey: PRODUCT_KEY,
        deviceName,
        deviceSecret,
        url: this.#platform.mqttsUrl,
        tls: { ca: this.#platform.ca },
        fetch: { ca },
      },
      sink,
      target,
      size,
    };
  }

  close(): Promise<void> {
    return this.#platform.close();
  }
}
