import type { ErrorCode, FetchOptions } from 'iotkit-ota';
import type { FaultServer, Reply } from '../../support/fault-server';
import { imageOf } from '../../support/image';

/** How a download ends, and what it asked the server for on its way. */
export interface Ending {
  /** What the user sees: `'ok'`, or the code of the error. */
  readonly ends: 'ok' | ErrorCode;
  /**
   * The Range of each request, `''` for none; or how many requests there were, where they are all
   * of one kind. Absent: that is a matter of timing.
   */
  readonly requests?: ReadonlyArray<string | RegExp> | number | undefined;
}

/** One row of the table. */
export interface DownloadCase extends Ending {
  /** What the server does. */
  readonly server: string;
  /** What the engine does about it. */
  readonly engine: string;
  readonly schedule: readonly Reply[];
  /** Default: {@link image}. */
  readonly image?: Buffer;
  /** Besides {@link quick}. */
  readonly fetch?: FetchOptions | ((server: FaultServer) => FetchOptions);
  /** Only with this scheme. */
  readonly over?: 'http' | 'https';
  /** Where it ends otherwise if the bytes go to the program and cannot be taken back. */
  readonly chunks?: Ending;
  /** Whether what was received stays for the next time. Default false. */
  readonly keeps?: boolean;
  /** What else has to be so. */
  readonly also?: (server: FaultServer) => void;
}

/** Parts of it are larger than the 64 KiB that count as progress. */
export const SIZE = 600_011;
export const image = imageOf(SIZE);
/** Of the same size. */
export const otherImage = imageOf(SIZE, 2);

/** The second failure in a row is the last, and nobody waits for it. */
export const quick: FetchOptions = { maxRetries: 1, retry: { min: 1, max: 1 } };

/** The Range header for everything from here on. */
export const from = (offset: number): string => `bytes=${offset}-`;

/** Everything from somewhere on. */
export const fromSomewhere = /^bytes=[1-9]\d*-$/;
