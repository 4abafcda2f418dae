/** What a device writes to the program's log. */
import { callback, wrongType } from '../base/arguments';
import type { Listeners } from '../base/listeners';
import type { ImageIdentity } from '../download/image-identity';
import type { RunEventMap } from '../ota/events';
import type { Device, DeviceEventMap } from './device';
import type { StateChange } from './states';

/**
 * A log in the manner of pino: an object with details, among them `productKey`, `deviceName` and for
 * an error `err`, then a message that is the same each time. `console` is one, too. No secret is
 * written, and no URL.
 */
export interface Logger {
  /** What helps to find out: a try to connect, closing. */
  readonly debug: (details: object, message: string) => void;
  /** What is as it should be: connected, announced, started, finished. */
  readonly info: (details: object, message: string) => void;
  /** What may pass by itself: a lost connection, a failed download, a refused message. */
  readonly warn: (details: object, message: string) => void;
  /** What somebody has to change: see {@link StateChange.needsOperator}. */
  readonly error: (details: object, message: string) => void;
}

const levels = ['debug', 'info', 'warn', 'error'] as const;

/** @internal Throws an {@link InvalidArgument} that names what is missing. */
export function checkLogger(value: Logger): Logger {
  if (typeof value !== 'object' && typeof value !== 'function') {
    throw wrongType('logger', 'an object with debug(), info(), warn() and error()', value);
  }
  if (value === null) throw wrongType('logger', 'an object', value);
  for (const level of levels) callback(`logger.${level}`, value[level]);
  return value;
}

/** @internal Writes what happens to a device from now on. */
export function logDevice(
  { productKey, deviceName }: Pick<Device, 'productKey' | 'deviceName'>,
  listeners: Listeners<DeviceEventMap & RunEventMap>,
  logger: Logger,
): void {
  const write = (level: (typeof levels)[number], message: string, details: object = {}): void =>
    logger[level]({ productKey, deviceName, ...details }, message);
  listeners.add('state', (change) => write(levelOf(change), change.state, withError(change.error)));
  listeners.add('upgrade', (upgrade) => write('info', 'upgrade announced', imageOf(upgrade)));
  listeners.add('refused', (error) => write('warn', 'refused', { err: error }));
  listeners.add('runStart', ({ upgrade }) => write('info', 'download started', imageOf(upgrade)));
  listeners.add('runEnd', ({ upgrade, failure }) => {
    const details = { ...imageOf(upgrade), ...(failure && { err: failure.reason }) };
    write(failure ? 'warn' : 'info', failure ? 'download failed' : 'download finished', details);
  });
}

function levelOf({ state, error, needsOperator }: StateChange): (typeof levels)[number] {
  if (state === 'connecting') return 'debug'; // why was written with the state before it
  if (needsOperator) return 'error';
  if (error !== undefined) return 'warn';
  return state === 'connected' || state === 'closed' ? 'info' : 'debug';
}

function withError(error: unknown): object {
  return error === undefined ? {} : { err: error };
}

function imageOf({ module = 'default', version, size }: ImageIdentity): object {
  return { module, version, size };
}
