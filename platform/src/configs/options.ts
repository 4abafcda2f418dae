import { invalid } from '../base/errors';
import { checkProductKey } from '../devices/names';
import type { DeviceKey } from '../types/device';
import type { SignMethod } from '../types/firmware';

const DEFAULT_TIMEOUT_SECONDS = 30;
const MAX_TIMEOUT_SECONDS = 3600;

/** What `configs.set` takes. */
export interface ConfigOptions {
  readonly productKey: string;
  /** 1-65,536 bytes. */
  readonly data: Uint8Array | string;
  /** `Md5` or `Sha256` on the wire. Default `'SHA256'`. */
  readonly signMethod?: SignMethod;
}

/** What `configs.push` takes. */
export interface ConfigPushOptions {
  readonly productKey: string;
  /** Names of devices. Absent: every device of the product. */
  readonly devices?: readonly string[];
  /** How long the answers are awaited, 1-3600. Default 30. */
  readonly timeoutSeconds?: number;
}

/** What became of a push to one device; `offline`: it could not be sent. */
export type ConfigPushState = 'accepted' | 'refused' | 'offline' | 'unanswered';

/** The push of a configuration to one device. */
export interface ConfigPush extends DeviceKey {
  readonly configId: string;
  readonly state: ConfigPushState;
  /** The device's own code, if it answered: 200 is `accepted`. */
  readonly code?: number;
  /** The device's own words. */
  readonly message?: string;
}

/** Throws ERR_INVALID_ARGUMENT for what cannot be a configuration. */
export function checkConfigOptions({ productKey, data, signMethod }: ConfigOptions): void {
  checkProductKey(productKey);
  if (typeof data !== 'string' && !(data instanceof Uint8Array)) {
    throw invalid('data must be bytes or a text');
  }
  if (signMethod !== undefined && !['MD5', 'SHA256'].includes(signMethod)) {
    throw invalid("signMethod must be 'MD5' or 'SHA256'");
  }
}

/** How long the answers to a push are awaited. Throws ERR_INVALID_ARGUMENT. */
export function timeoutSecondsOf(options: ConfigPushOptions): number {
  const seconds = options.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS;
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= MAX_TIMEOUT_SECONDS) return seconds;
  throw invalid(`timeoutSeconds must be a whole number 1-${MAX_TIMEOUT_SECONDS}`);
}
