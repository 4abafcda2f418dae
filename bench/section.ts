import type { Cost } from './measure';

export type Protocol = 'http' | 'https';
export type Method = 'md5' | 'sha256';
/** Who downloads: see `names` in `report.ts`. */
export type Peer =
  | 'node'
  | 'undici'
  | 'curl'
  | 'alone'
  | 'alone-fetch'
  | 'file'
  | 'file-other'
  | 'chunks'
  | 'recycled';
/** A part of every download that costs something by itself. */
export type Stage = 'digest' | 'decrypt' | 'receive' | 'write';
/** Where client and server run: anywhere, on a core each, or both on one core. */
export type Placement = 'free' | 'apart' | 'together';

/** All runs of one kind of download. */
export interface Section {
  readonly protocol: Protocol;
  readonly method: Method;
  readonly placement: Placement;
  readonly size: number;
  readonly costs: Readonly<Partial<Record<Peer, readonly Cost[]>>>;
  /** What the stages cost alone, by the libcrypto of Node.js; `decrypt` only over https. */
  readonly floor: Readonly<Partial<Record<Stage, readonly Cost[]>>>;
}

/** As `https sha256`. */
export const rowName = ({ protocol, method }: Pick<Section, 'protocol' | 'method'>): string =>
  `${protocol} ${method}`;
