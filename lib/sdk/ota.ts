// Tested by test/sdk/sequence.test.ts
/** IOT_OTA_*: `iot_export_ota.h`, function by function. */

import { published } from '../addon/load';
import { wrongType } from '../base/arguments';
import { cBuffer, cFunction, cInt, cMemory, cText, cUint32 } from './arguments';
import type { IOT_OTA_CmdType_t } from './constants';
import { MqttHandle, OtaHandle } from './handles';

const nativeOf = (handle: OtaHandle | null) => OtaHandle.native('handle', handle);

/**
 * Opens OTA for a device on `ch_signal`, a handle of IOT_MQTT_Construct. null: a name is null,
 * empty or no topic level, there is no such client, or memory is out.
 *
 * @throws TypeError with code `ERR_INVALID_ARGUMENT`, as every function here for a value of another
 *   type than C's.
 */
export function IOT_OTA_Init(
  product_key: string | null,
  device_name: string | null,
  ch_signal: MqttHandle | null,
): OtaHandle | null {
  const client = MqttHandle.check('ch_signal', ch_signal);
  const made = published.otaInit(
    cText('product_key', product_key),
    cText('device_name', device_name),
    MqttHandle.native('ch_signal', client),
  );
  return made === null || client === null ? null : OtaHandle.make(made, client);
}

/**
 * Closes it: subscriptions and connections end, a running fetch resolves. Resolves to 0;
 * IOT_OTAE_INVALID_PARAM for null.
 */
export async function IOT_OTA_Deinit(handle: OtaHandle | null): Promise<number> {
  return published.otaDeinit(nativeOf(handle));
}

/**
 * Reports the version that runs, 1-64 bytes of UTF-8; QoS 1. 0; IOT_OTAE_INVALID_PARAM for null; -1
 * with the last error INVALID_PARAM or OSC_FAILED.
 */
export function IOT_OTA_ReportVersion(handle: OtaHandle | null, version: string | null): number {
  return published.otaReportVersion(nativeOf(handle), cText('version', version));
}

/**
 * Reports progress, 0-100 or IOT_OTAP_*, with a text of at most 1024 bytes or null; QoS 0. 0;
 * IOT_OTAE_INVALID_PARAM for null; -1 with the last error INVALID_PARAM; IOT_OTAE_STR_TOO_LONG;
 * IOT_OTAE_OSC_FAILED.
 */
export function IOT_OTA_ReportProgress(
  handle: OtaHandle | null,
  progress: number,
  msg: string | null,
): number {
  const ota = nativeOf(handle);
  return published.otaReportProgress(ota, cInt('progress', progress), cText('msg', msg));
}

/** 1: an upgrade is announced or being fetched; else 0, also for null. */
export function IOT_OTA_IsFetching(handle: OtaHandle | null): number {
  return published.otaIsFetching(nativeOf(handle));
}

/**
 * 1: the fetch has ended, well or badly (IOT_OTAG_CHECK_FIRMWARE says which); else 0, also for
 * null.
 */
export function IOT_OTA_IsFetchFinish(handle: OtaHandle | null): number {
  return published.otaIsFetchFinish(nativeOf(handle));
}

/**
 * Receives the next bytes of the image into `buf`, waiting at most `timeout_s` seconds until it is
 * full or the image ends. It runs on a thread of the handle, so other handles, and IOT_MQTT_Yield
 * of its client, may run at the same time; several fetches of one handle run one after the other.
 * `buf` is written when the promise settles.
 *
 * Resolves to the number of bytes; 0: none in that time, also while it reconnects, which is no
 * failure: call it again until IOT_OTA_IsFetchFinish says 1 (IOTX_IOCTL_SET_FETCH_PATIENCE lets it
 * wait longer before it says 0); IOT_OTAE_INVALID_PARAM; IOT_OTAE_INVALID_STATE when there is
 * nothing to fetch; -1 when the download has failed for good.
 *
 * @throws TypeError also when `buf` was detached or shrunk before the promise settled: its bytes
 *   are lost then.
 */
export async function IOT_OTA_FetchYield(
  handle: OtaHandle | null,
  buf: Uint8Array | null,
  timeout_s: number,
): Promise<number> {
  const ota = nativeOf(handle);
  const buffer = cBuffer('buf', buf);
  const got = await published.otaFetchYield(ota, buffer, cUint32('timeout_s', timeout_s));
  // Naming the handle here keeps it from being collected, and closed, before its fetch ends.
  if (got !== undefined && handle !== undefined) return got;
  throw wrongType('buf', 'left alone until the fetch has ended', 'detached or shrunk');
}

/**
 * Queries or sets what `type` names; `buf` is any typed array. Numbers take 4 bytes at an address
 * that is a multiple of 4 (a `Uint32Array(1)`), sizes also 8 (a `BigUint64Array(1)`). Texts are cut
 * to the buffer, always end with NUL, and the rest is zeroed; this holds also for IOT_OTAG_COTA_*,
 * for which C makes a new text. RESET_* do not touch it.
 *
 * 0; IOT_OTAE_INVALID_PARAM: null or no length; IOT_OTAE_INVALID_STATE: no upgrade so far; -1 with
 * the last error INVALID_PARAM, INVALID_STATE or GENERAL.
 */
export function IOT_OTA_Ioctl(
  handle: OtaHandle | null,
  type: IOT_OTA_CmdType_t,
  buf: NodeJS.TypedArray | null,
): number {
  return published.otaIoctl(nativeOf(handle), cInt('type', type), cMemory('buf', buf));
}

/** The last error of this handle, never reset to 0; IOT_OTAE_INVALID_PARAM for null. */
export function IOT_OTA_GetLastError(handle: OtaHandle | null): number {
  return published.otaGetLastError(nativeOf(handle));
}

/**
 * `on_pushed(handle)` is called when an upgrade was announced, before the IOT_MQTT_Yield in which
 * it came resolves; null: nothing is called. 0; IOT_OTAE_INVALID_PARAM.
 */
export function IOT_OTA_SetOnPushedCallback(
  handle: OtaHandle | null,
  on_pushed: ((context: OtaHandle) => unknown) | null,
): number {
  const ota = nativeOf(handle);
  const callback = cFunction('on_pushed', on_pushed);
  const number = handle === null ? 0 : OtaHandle.setOnPushed(handle, callback);
  return published.otaSetOnPushedCallback(ota, number);
}

/**
 * Asks for an image by publishing the version to the legacy request topic, QoS 1. Results as of
 * IOT_OTA_ReportVersion; -1 while fetching.
 */
export function iotx_req_image(handle: OtaHandle | null, version: string | null): number {
  return published.otaReqImage(nativeOf(handle), cText('version', version));
}

/** Asks for the remote configuration. */
export function iotx_ota_get_config(
  handle: OtaHandle | null,
  configScope: string | null,
  getType: string | null,
  attributeKeys: string | null,
): number {
  return published.otaGetConfig(
    nativeOf(handle),
    cText('configScope', configScope),
    cText('getType', getType),
    cText('attributeKeys', attributeKeys),
  );
}
