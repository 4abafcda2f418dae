import type { SignMethod } from './firmware';

/** The remote configuration of a product. */
export interface RemoteConfig {
  /** Another one each time it is set. */
  readonly id: string;
  readonly productKey: string;
  /** Bytes. */
  readonly size: number;
  /** Lower-case hex. */
  readonly md5: string;
  /** Lower-case hex. */
  readonly sha256: string;
  readonly signMethod: SignMethod;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}
