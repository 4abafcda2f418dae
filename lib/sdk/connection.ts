// Tested by test/sdk/arguments.test.ts
/** `iot_export.h`: connecting and log. */
import { types } from 'node:util';
import { published } from '../addon/load';
import { wrongType } from '../base/arguments';
import { cInt, cText } from './arguments';
import {
  type IOT_LogLevel,
  IOTX_IOCTL_GET_REGION,
  IOTX_IOCTL_SET_ENDPOINT,
  IOTX_IOCTL_SET_FETCH_PATIENCE,
  IOTX_IOCTL_SET_MQTT_DOMAIN,
  IOTX_IOCTL_SET_MQTT_PORT,
  IOTX_IOCTL_SET_MQTT_TLS,
  IOTX_IOCTL_SET_REGION,
  IOTX_IOCTL_SET_SIGN_METHOD,
  type iotx_ioctl_option_t,
} from './constants';
import type { iotx_conn_info_t } from './types';

/**
 * Makes the host, client id, user name and password of a device, as the settings of IOT_Ioctl are.
 *
 * @returns What C returns, and the information or null. 0, or FAIL_RETURN: a text is missing, empty
 *   or too long.
 * @throws TypeError with code `ERR_INVALID_ARGUMENT`, as every function here for a value of another
 *   type than C's.
 */
export function IOT_SetupConnInfo(
  product_key: string | null,
  device_name: string | null,
  device_secret: string | null,
): [result: number, info: iotx_conn_info_t | null] {
  return published.setupConnInfo(
    cText('product_key', product_key),
    cText('device_name', device_name),
    cText('device_secret', device_secret, { secret: true }),
  );
}

const numbers: ReadonlySet<number> = new Set([
  IOTX_IOCTL_SET_REGION,
  IOTX_IOCTL_GET_REGION,
  IOTX_IOCTL_SET_MQTT_PORT,
  IOTX_IOCTL_SET_MQTT_TLS,
  IOTX_IOCTL_SET_SIGN_METHOD,
  IOTX_IOCTL_SET_FETCH_PATIENCE,
]);
const texts: ReadonlySet<number> = new Set([IOTX_IOCTL_SET_MQTT_DOMAIN, IOTX_IOCTL_SET_ENDPOINT]);

/**
 * Settings for all later IOT_SetupConnInfo of the process, all its threads;
 * IOTX_IOCTL_SET_FETCH_PATIENCE for its next IOT_OTA_FetchYield. A number is given as
 * such or in an `Int32Array(1)`, which GET_REGION fills. SUCCESS_RETURN, or FAIL_RETURN: an option
 * or value that is not known here.
 */
export function IOT_Ioctl(
  option: iotx_ioctl_option_t,
  data: number | string | Int32Array | null,
): number {
  const which = cInt('option', option);
  if (data === null || !(numbers.has(which) || texts.has(which))) {
    return published.ioctl(which, null)[0];
  }
  if (texts.has(which)) return published.ioctl(which, cText('data', data))[0];
  if (!types.isInt32Array(data)) return published.ioctl(which, cInt('data', data))[0];
  if (data.length !== 1) throw wrongType('data', 'an Int32Array of one number', data);
  const [result, value] = published.ioctl(which, data[0] as number);
  data[0] = value;
  return result;
}

/** Log lines up to `level` go to stderr, from any thread. The level is the process's. */
export function IOT_SetLogLevel(level: IOT_LogLevel): void {
  published.setLogLevel(cInt('level', level));
}

/** Writes a line to the log. */
export function IOT_DumpMemoryStats(level: IOT_LogLevel): void {
  published.dumpMemoryStats(cInt('level', level));
}
