import { invalid } from '../base/errors';
import type { DeviceKey } from '../types/device';
import type { RetryPolicy } from '../types/upgrade';

const ATTEMPTS: readonly unknown[] = [1, 2, 5];
const DELAYS: readonly unknown[] = [0, 10, 30, 60, 1440];
const MAX_TIMEOUT_MINUTES = 1440;

/** What `upgrades.start` takes. */
export interface UpgradeOptions {
  readonly firmwareId: string;
  /** Names of devices of the firmware's product, or keys. At least one. */
  readonly devices: readonly (string | DeviceKey)[];
  /** From the first progress report, 1-1440. Absent: no time-out. */
  readonly timeoutMinutes?: number;
  /** Tasks wait in `to-be-confirmed` until `upgrades.confirm`. Default false. */
  readonly requireConfirmation?: boolean;
  /** Absent: no retry. Its delay must be shorter than the time-out. */
  readonly retry?: RetryPolicy;
  /** `'pull'`: never pushed, the device has to ask. Default `'push'`. */
  readonly delivery?: 'push' | 'pull';
  /**
   * Whether the upgrade may run beside an unfinished one of another module of the same device.
   * Default false: of two upgrades of a device the later one fails.
   */
  readonly multiModule?: boolean;
  /**
   * `'mqtt'`: in blocks over the device's MQTT connection; one image of at most 16 MiB. Default
   * `'https'`: at an address.
   */
  readonly protocol?: 'https' | 'mqtt';
}

/** Throws ERR_INVALID_ARGUMENT for what the platform does not offer. */
export function checkUpgradeOptions({
  devices,
  timeoutMinutes,
  retry,
  multiModule,
  delivery,
  protocol,
}: UpgradeOptions): void {
  if (!Array.isArray(devices) || devices.length === 0) {
    throw invalid('devices must name at least one device');
  }
  if (
    timeoutMinutes !== undefined &&
    !(
      Number.isInteger(timeoutMinutes) &&
      timeoutMinutes >= 1 &&
      timeoutMinutes <= MAX_TIMEOUT_MINUTES
    )
  ) {
    throw invalid('timeoutMinutes must be 1-1440');
  }
  if (retry !== undefined && !ATTEMPTS.includes(retry.attempts)) {
    throw invalid('retry.attempts must be 1, 2 or 5');
  }
  if (retry !== undefined && !DELAYS.includes(retry.delayMinutes)) {
    throw invalid('retry.delayMinutes must be 0, 10, 30, 60 or 1440');
  }
  if (timeoutMinutes !== undefined && retry !== undefined && retry.delayMinutes >= timeoutMinutes) {
    throw invalid('retry.delayMinutes must be less than timeoutMinutes');
  }
  if (multiModule !== undefined && typeof multiModule !== 'boolean') {
    throw invalid('multiModule must be true or false');
  }
  if (delivery !== undefined && delivery !== 'push' && delivery !== 'pull') {
    throw invalid("delivery must be 'push' or 'pull'");
  }
  if (protocol !== undefined && protocol !== 'https' && protocol !== 'mqtt') {
    throw invalid("protocol must be 'https' or 'mqtt'");
  }
}
