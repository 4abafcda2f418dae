/** Digest that goes with a firmware: `sign` in the notice, `md5` besides it with `'MD5'` only. */
export type SignMethod = 'MD5' | 'SHA256';

/** A stored file of a firmware that has several. */
export interface FirmwareFile {
  /** Of the file: its part of the address. */
  readonly id: string;
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Lower-case hex. */
  readonly md5: string;
  /** Lower-case hex. */
  readonly sha256: string;
}

/** A stored firmware package. Size and digests are those of the image, or of all files in a row. */
export interface Firmware {
  readonly id: string;
  readonly productKey: string;
  readonly version: string;
  readonly module?: string;
  /** Bytes. */
  readonly size: number;
  /** Lower-case hex. */
  readonly md5: string;
  /** Lower-case hex. */
  readonly sha256: string;
  readonly signMethod: SignMethod;
  readonly sourceVersions?: readonly string[];
  readonly isDiff: boolean;
  readonly extData?: Readonly<Record<string, string>>;
  /** Absent: the firmware is one image. */
  readonly files?: readonly FirmwareFile[];
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
}
