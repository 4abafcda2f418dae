/** What concerns the whole process: counts, limits, where TLS comes from. */
import { native } from '../addon/load';
import type { Stats } from '../addon/results';
import { integer } from '../base/arguments';
import { bandwidth } from '../options/values';

export type { Stats };

/** Counts of live native objects. */
export function stats(): Stats {
  return native.stats();
}

/**
 * Sets how many downloads receive at the same time in this process, all its threads together; the
 * others wait for their turn. One that receives next to nothing for a second, waits for its next try or its
 * consumer, or is paused, lets another have its place.
 *
 * @param count 1 to 64; 2 unless set. Running downloads are not stopped.
 * @throws {@link InvalidArgument}
 */
export function setMaxDownloads(count: number): void {
  native.setMaxDownloads(integer('count', count, { min: 1, max: 64 }));
}

/**
 * Limits how fast the downloads of this process receive, all its threads and devices together, but
 * not handles of `iotkit-ota/sdk`. May be changed while downloads run. Each device can have its own
 * limit as well.
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
