/** The addon's functions for the published C API: native/published in TypeScript. null is NULL. */
import type { iotx_conn_info_t } from './results';

declare const clientBrand: unique symbol;
declare const otaBrand: unique symbol;

export interface NativeClient {
  readonly [clientBrand]: never;
}

export interface NativeOta {
  readonly [otaBrand]: never;
}

export interface NativeParams {
  readonly handler: boolean;
  readonly port: number;
  readonly host: string | null;
  readonly client_id: string | null;
  readonly username: string | null;
  readonly password: string | null;
  readonly pub_key: string | null;
  readonly clean_session: number;
  readonly request_timeout_ms: number;
  readonly keepalive_interval_ms: number;
  readonly write_buf_size: number;
  readonly read_buf_size: number;
}

/**
 * `callback` is the number given when subscribing, 0 for handle_event. Type -1: an upgrade was
 * pushed.
 */
export type NativeOnEvent = (
  callback: number,
  type: number,
  packetId: number,
  text: string,
  payload: Buffer | undefined,
  qos: number,
  dup: number,
  retain: number,
) => void;

type Client = NativeClient | null;
type Ota = NativeOta | null;
type Text = string | null;

/** A blocking function returns a promise; for a NULL handle it returns C's result directly. */
export interface NativePublished {
  mqttNew(onEvent: NativeOnEvent): NativeClient;
  mqttConstruct(client: NativeClient, params: NativeParams | null): Promise<boolean>;
  mqttDestroy(client: Client): Promise<number> | number;
  mqttYield(client: Client, timeoutMs: number): Promise<number> | number;
  mqttCheckStateNormal(client: Client): number;
  mqttSubscribe(client: Client, filter: Text, qos: number, callback: number): number;
  mqttSubscribeSync(
    client: Client,
    filter: Text,
    qos: number,
    callback: number,
    timeoutMs: number,
  ): Promise<number> | number;
  mqttUnsubscribe(client: Client, filter: Text): number;
  mqttPublish(
    client: Client,
    topic: Text,
    message: boolean,
    payload: Uint8Array | null,
    qos: number,
    retain: number,
  ): number;
  mqttPublishSimple(client: Client, topic: Text, qos: number, data: Uint8Array | null): number;
  otaInit(productKey: Text, deviceName: Text, client: Client): NativeOta | null;
  otaDeinit(ota: Ota): Promise<number> | number;
  otaReportVersion(ota: Ota, version: Text): number;
  otaReportProgress(ota: Ota, step: number, text: Text): number;
  otaIsFetching(ota: Ota): number;
  otaIsFetchFinish(ota: Ota): number;
  /** undefined: the bytes no longer fit into the buffer. */
  otaFetchYield(
    ota: Ota,
    buffer: Uint8Array | null,
    timeoutS: number,
  ): Promise<number | undefined> | number;
  otaIoctl(ota: Ota, type: number, buffer: Uint8Array | null): number;
  otaGetLastError(ota: Ota): number;
  otaSetOnPushedCallback(ota: Ota, callback: number): number;
  otaReqImage(ota: Ota, version: Text): number;
  otaGetConfig(ota: Ota, scope: Text, getType: Text, attributeKeys: Text): number;
  setupConnInfo(
    productKey: Text,
    deviceName: Text,
    deviceSecret: Text,
  ): [number, iotx_conn_info_t | null];
  ioctl(option: number, data: number | string | null): [number, number];
  setLogLevel(level: number): void;
  dumpMemoryStats(level: number): void;
}
