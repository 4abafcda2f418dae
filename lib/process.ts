import { integer } from './arguments';
import { native } from './native';
import { bandwidth } from './options/values';

/** Live native objects of this process, over all its threads; for diagnostics and leak tests. */
export interface Stats {
  /** Environments (main thread, workers) that have loaded the addon. */
  readonly environments: number;
  /** Devices that are not yet closed or collected. */
  readonly devices: number;
  /** Upgrades that are not yet collected. */
  readonly jobs: number;
  /** Downloads, waiting ones included, that are not yet collected. */
  readonly transfers: number;
  /** Downloads that wait for their turn. */
  readonly waiting: number;
  /** Threads: one for all connections, two for a running download, one for a busy `sdk` handle. */
  readonly threads: number;
  /** Buffers that are lent to downloads. */
  readonly lent: number;
  /** What keeps this environment's event loop alive. */
  readonly holds: number;
}

/** Counts of live native objects. */
export function stats(): Stats {
  return native.stats();
}

/**
 * Sets how many downloads run at once in this process, all its threads together; the others wait
 * their turn.
 *
 * @param count 1 to 64; 2 unless set. Running downloads are not stopped.
 * @throws {@link InvalidArgument}
 */
export function setMaxDownloads(count: number): void {
  native.setMaxDownloads(integer('count', count, { min: 1, max: 64 }));
}

/**
 * Limits how fast the downloads of this process, all its threads and devices together, receive;
 * handles of `iotkit-ota/sdk` apart. May be changed while they run. Each device can have a limit of
 * its own besides.
 *
 * @param bytesPerSecond 1,024 and more; undefined, as at the start: no limit.
 * @throws {@link InvalidArgument}
 */
export function setBandwidthLimit(bytesPerSecond: number | undefined): void {
  native.setBandwidthLimit(bandwidth('bytesPerSecond', bytesPerSecond));
}

/**
 * Where TLS comes from: `'process'` (the OpenSSL of the runtime itself), the name of a system
 * library such as `'libssl.so.3'`, or `null` if there is none; then only plain TCP and HTTP work.
 */
export function tlsSource(): string | null {
  return native.tlsSource();
}
