import {
  IOT_Ioctl,
  IOT_MQTT_Construct,
  IOT_MQTT_Destroy,
  IOT_MQTT_Yield,
  IOT_OTA_Init,
  IOT_OTA_IsFetching,
  IOT_OTA_ReportVersion,
  IOT_SetupConnInfo,
  IOTX_IOCTL_SET_MQTT_TLS,
  type iotx_mqtt_param_t,
  type MqttHandle,
  type OtaHandle,
} from 'iotkit-ota/sdk';
import { Platform, type PlatformOptions } from 'iotkit-ota-platform';
import type { Registered } from '../support/world';

export const PRODUCT_KEY = 'a1World';
export const YIELD_MS = 5000;

/** What a test that hangs has left open: it must not keep the others from ending. */
const open = new Set<SdkWorld>();

afterAll(async () => {
  for (const world of open) await world[Symbol.asyncDispose]();
});

/**
 * A platform on loopback whose devices are programs over iotkit-ota/sdk in this process; closed at
 * the latest when all tests of the file are done. Its firmware is served over plain HTTP.
 */
export class SdkWorld implements AsyncDisposable {
  readonly platform: Platform;
  readonly #handles: MqttHandle[] = [];

  private constructor(platform: Platform) {
    this.platform = platform;
    open.add(this);
  }

  static async open(options: PlatformOptions = {}): Promise<SdkWorld> {
    return new SdkWorld(await Platform.start({ firmwareScheme: 'http', ...options }));
  }

  register(deviceName = 'lamp'): Promise<Registered> {
    return this.platform.devices.add({ productKey: PRODUCT_KEY, deviceName });
  }

  /** Stores an image and announces it to a device; resolves to the ids. */
  async upgrade(
    data: Uint8Array,
    {
      deviceName = 'lamp',
      version = '2.0.0',
      signMethod = 'MD5' as 'MD5' | 'SHA256',
    }: {
      readonly deviceName?: string;
      readonly version?: string;
      readonly signMethod?: 'MD5' | 'SHA256';
    } = {},
  ): Promise<{ readonly upgradeId: string; readonly firmwareId: string }> {
    const { id: firmwareId } = await this.platform.firmware.add({
      productKey: PRODUCT_KEY,
      version,
      data,
      signMethod,
      allowSameVersion: true,
    });
    const { id: upgradeId } = await this.platform.upgrades.start({
      firmwareId,
      devices: [deviceName],
    });
    return { upgradeId, firmwareId };
  }

  /** What IOT_MQTT_Construct needs for a registered device. */
  params(key: Registered, { tls = true } = {}): iotx_mqtt_param_t {
    const { platform } = this;
    IOT_Ioctl(IOTX_IOCTL_SET_MQTT_TLS, tls ? 1 : 0);
    const [result, info] = IOT_SetupConnInfo(key.productKey, key.deviceName, key.deviceSecret);
    if (result !== 0 || info === null) throw new Error(`IOT_SetupConnInfo returned ${result}`);
    return {
      port: Number(new URL(tls ? platform.mqttsUrl : platform.mqttUrl).port),
      host: '127.0.0.1',
      client_id: info.client_id,
      username: info.username,
      password: info.password,
      pub_key: tls ? platform.ca : null,
      clean_session: 1,
      request_timeout_ms: 5000,
      keepalive_interval_ms: 60_000,
    };
  }

  /** Connects; the handle is destroyed with the world. */
  async connect(
    key: Registered,
    { tls = true, ...more }: Partial<iotx_mqtt_param_t> & { readonly tls?: boolean } = {},
  ): Promise<MqttHandle> {
    const handle = await IOT_MQTT_Construct({ ...this.params(key, { tls }), ...more });
    if (handle === null) throw new Error('IOT_MQTT_Construct returned null');
    this.#handles.push(handle);
    return handle;
  }

  /**
   * A connected device that has reported 1.0.0, and to which an upgrade to `data` has been
   * announced.
   */
  async announce(
    data: Uint8Array,
    {
      deviceName = 'lamp',
      signMethod = 'MD5',
      tls = true,
      ...more
    }: Partial<iotx_mqtt_param_t> & {
      readonly deviceName?: string;
      readonly signMethod?: 'MD5' | 'SHA256';
      readonly tls?: boolean;
    } = {},
  ): Promise<{
    readonly mqtt: MqttHandle;
    readonly ota: OtaHandle;
    readonly upgradeId: string;
    readonly firmwareId: string;
  }> {
    const mqtt = await this.connect(await this.register(deviceName), { tls, ...more });
    const ota = IOT_OTA_Init(PRODUCT_KEY, deviceName, mqtt);
    if (ota === null) throw new Error('IOT_OTA_Init returned null');
    const ids = await this.upgrade(data, { deviceName, signMethod });
    IOT_OTA_ReportVersion(ota, '1.0.0');
    await yieldUntil(mqtt, () => IOT_OTA_IsFetching(ota) === 1);
    return { mqtt, ota, ...ids };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#handles.map((handle) => IOT_MQTT_Destroy(handle)));
    await this.platform.close();
    open.delete(this);
  }
}

/** Yields until something is so. */
export async function yieldUntil(mqtt: MqttHandle | null, isSo: () => boolean): Promise<void> {
  while (!isSo()) {
    const result = await IOT_MQTT_Yield(mqtt, YIELD_MS);
    if (result !== 0) throw new Error(`IOT_MQTT_Yield returned ${result}`);
  }
}
