/**
 * What the addon exports: native/ in TypeScript. Arguments are checked by lib/ before they get
 * here.
 */

import type { NativeSdk } from './sdk/binding';

export interface Failure {
  readonly errno: number;
  readonly detail: string;
}

declare const tlsBrand: unique symbol;

/** A TLS context; opaque. */
export interface NativeTls {
  readonly [tlsBrand]: never;
}

declare const keysBrand: unique symbol;

/** Public keys; opaque. */
export interface NativeKeys {
  readonly [keysBrand]: never;
}

export interface NativeTlsOptions {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
  readonly passphrase: string;
  readonly certName: string;
}

/** Numbers of 0 are the defaults of the C SDK, 2^32 - 1 is never; `''` is absent. */
export interface NativeFetchOptions {
  readonly tls: NativeTls | undefined;
  readonly connectTimeoutMs: number;
  readonly responseTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly lowSpeedBytes: number;
  readonly lowSpeedMs: number;
  readonly maxRetries: number;
  readonly maxTries: number;
  readonly totalTimeoutMs: number;
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  readonly renewTimeoutMs: number;
  readonly connections: number;
  readonly maxRedirects: number;
  readonly httpsOnly: boolean;
  /** `Name: value` lines, each ended by CRLF. */
  readonly headers: string;
  /** For http URLs. What the environment says is not looked at. */
  readonly proxy: string;
  readonly httpsProxy: string;
  readonly noProxy: string;
  /** Separated by commas. */
  readonly allowedHosts: string;
  readonly keys: NativeKeys | undefined;
  readonly requireSignature: boolean;
}

export interface NativeDeviceOptions {
  readonly productKey: string;
  readonly deviceName: string;
  readonly deviceSecret: string;
  readonly clientId: string;
  readonly signMethod: number;
  readonly timestamp: number;
  readonly host: string;
  readonly port: number;
  readonly tls: NativeTls | undefined;
  readonly cleanSession: boolean;
  readonly keepAliveS: number;
  readonly connectTimeoutMs: number;
  readonly reconnectMinMs: number;
  readonly reconnectMaxMs: number;
  readonly fetch: NativeFetchOptions;
  /** Of all its downloads; 0: no limit. */
  readonly bytesPerSecond: number;
}

export interface NativeImageInfo {
  readonly size: number;
  readonly digestMethod: 'md5' | 'sha256';
  readonly digest: string;
}

export interface NativeFileInfo extends NativeImageInfo {
  readonly name: string;
}

export interface NativeUpgradeInfo extends NativeImageInfo {
  readonly id: string;
  readonly module: string;
  readonly version: string;
  readonly url: string;
  readonly digestSign: string;
  readonly isDiff: boolean;
  readonly extData: string;
  readonly files: readonly NativeFileInfo[];
}

/** A file, the directory of several, or with `inPlace` a device. */
export interface NativeTarget {
  readonly path: string;
  readonly mode: number;
  readonly inPlace: boolean;
  readonly base: number;
  readonly journal: string;
}

export interface NativeSignature {
  readonly value: Uint8Array;
  readonly overImage: boolean;
}

export interface NativeDownloadOptions {
  readonly resume: boolean;
  /** Of the image, or of each file. */
  readonly signatures: readonly (NativeSignature | undefined)[];
}

export interface NativeFileDownload {
  abort(): void;
  pause(paused: boolean): void;
}

export interface NativeChunkDownload {
  /** false: the buffer was not taken, because it has no memory. */
  lend(buffer: ArrayBuffer): boolean;
  /** Once: a chunk, or without a buffer the end. false: one is waiting already. */
  take(
    onChunk: (errno: number, detail: string, buffer?: ArrayBuffer, length?: number) => void,
  ): boolean;
  /** Every chunk was taken and used: what waits for that may be completed. */
  settle(): void;
  pause(paused: boolean): void;
  close(onEnd: () => void): void;
}

export interface NativeJob {
  readonly info: NativeUpgradeInfo;
  /** onProgress begins when all targets are open; `resumed`: what was there. */
  download(
    targets: readonly NativeTarget[],
    options: NativeDownloadOptions,
    onProgress: (received: number, resumed: number) => void,
    onEnd: (errno: number, detail: string) => void,
  ): NativeFileDownload | Failure;
  chunks(
    targets: readonly NativeTarget[],
    options: NativeDownloadOptions,
  ): NativeChunkDownload | Failure;
}

export interface NativeDevice {
  /** The packet id, or a negative error. */
  reportVersion(version: string, module: string): number;
  reportProgress(step: number, desc: string, module: string): number;
  /** The request's id, or a negative error. */
  request(module: string): string | number;
  /** 0: no limit. */
  setBandwidthLimit(bytesPerSecond: number): void;
  close(): void;
  ref(): void;
  unref(): void;
}

/** The arguments of onEvent; the first says which. */
export type NativeEvent =
  | [
      kind: 1,
      state: number,
      errno: number,
      detail: string,
      connects: number,
      sessionPresent: boolean,
    ]
  | [kind: 2, packetId: number, errno: number, detail: string]
  | [kind: 3, job: NativeJob]
  | [kind: 4, errno: number, detail: string, requestId: string]
  | [kind: 5, requestId: string]
  | [kind: 6];

export interface NativeStats {
  readonly environments: number;
  readonly devices: number;
  readonly jobs: number;
  readonly transfers: number;
  readonly waiting: number;
  readonly threads: number;
  readonly lent: number;
  readonly holds: number;
}

export interface Binding {
  readonly version: string;
  /** The published C API, one to one. */
  readonly sdk: NativeSdk;
  openDevice(
    options: NativeDeviceOptions,
    onEvent: (...event: NativeEvent) => void,
  ): NativeDevice | Failure;
  parseJob(json: string, fetch: NativeFetchOptions): NativeJob | Failure;
  createTls(options: NativeTlsOptions): NativeTls | Failure;
  createKeys(pem: string): NativeKeys | Failure;
  tlsSource(): string | null;
  setMaxDownloads(count: number): void;
  /** Of all downloads of the process; 0: no limit. */
  setBandwidthLimit(bytesPerSecond: number): void;
  stats(): NativeStats;
}
