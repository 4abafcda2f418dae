/**
 * This room is the door to the addon: load.ts loads it, binding.ts (and sdk-binding.ts for the
 * published C API) declares what it exports, results.ts the objects the public API hands on,
 * trust.ts keeps TLS contexts and keys. It may import base and options.
 *
 * This file: native/ in TypeScript. The rooms above check arguments before they get here.
 */

import type { FetchValues } from '../options/fetch';
import type { CheckedTls } from '../options/tls';
import type { Stats, UpgradeFile } from './results';
import type { NativePublished } from './sdk-binding';

export interface Failure {
  readonly errno: number;
  readonly detail: string;
}

declare const tlsBrand: unique symbol;

/** The platform's time, milliseconds. */
export interface NativeReading {
  /** Since 1970 UTC, at the moment `at`. */
  readonly time: number;
  /** Of the monotonic clock of the C SDK. */
  readonly at: number;
  readonly offset: number;
  readonly uncertainty: number;
}

/** A TLS context. */
export interface NativeTls {
  readonly [tlsBrand]: never;
  /** Of a deferred one: whom to trust, before the first connection asks for it. */
  setCa(pem: string): void;
  /** Holds certificates against this clock, and no longer against the system's. */
  setTime(reading: Pick<NativeReading, 'time' | 'at'>): void;
}

/**
 * `deferred`: whom to trust is read when the first connection needs it, on that connection's
 * thread, and may be set until then.
 */
export interface NativeTlsOptions extends Omit<CheckedTls, 'also' | 'sign'> {
  readonly deferred: boolean;
  /** Both or none: a handshake needs a signature, which giveSignature() or failSignature() answers. */
  readonly onSign?: (
    id: number,
    scheme: number,
    data: ArrayBuffer,
    messageBits: number,
    message: ArrayBuffer,
  ) => void;
  /** It needs it no longer. */
  readonly onCancel?: (id: number) => void;
}

declare const keysBrand: unique symbol;

/** Public keys; opaque. */
export interface NativeKeys {
  readonly [keysBrand]: never;
}

/**
 * A number of 0 means the default of the C SDK, 2^32 - 1 means never; an empty string means: option
 * not set.
 */
export interface NativeFetchOptions extends FetchValues {
  readonly tls: NativeTls | undefined;
  readonly keys: NativeKeys | undefined;
  readonly requireSignature: boolean;
  readonly allowUnsigned: boolean;
  readonly requireStatement: boolean;
}

export interface NativeDeviceOptions {
  readonly productKey: string;
  readonly deviceName: string;
  readonly deviceSecret: string;
  readonly deviceToken: string;
  /** The certificate of `tls` is the identity. */
  readonly x509: boolean;
  readonly clientId: string;
  readonly signMethod: number;
  readonly timestamp: number;
  /** Of the client id; 0: none. */
  readonly ext: number;
  readonly host: string;
  readonly port: number;
  readonly tls: NativeTls | undefined;
  readonly cleanSession: boolean;
  readonly keepAliveS: number;
  readonly connectTimeoutMs: number;
  readonly reconnectMinMs: number;
  readonly reconnectMaxMs: number;
  /** 0: any number. */
  readonly connectsPerMinute: number;
  /** An empty string means: no will. */
  readonly willTopic: string;
  readonly willPayload: Uint8Array;
  readonly willQos: number;
  readonly willRetain: boolean;
  readonly fetch: NativeFetchOptions;
  /** Of all downloads of the device; 0: no limit. */
  readonly bytesPerSecond: number;
}

/** An empty string means: option not set. */
export interface NativeRegisterOptions {
  /** `enum iotkit_register_kind`: the platform knows the device, does not, or by certificate. */
  readonly kind: 0 | 1 | 2;
  readonly productKey: string;
  readonly productSecret: string;
  readonly deviceName: string;
  readonly clientId: string;
  readonly instanceId: string;
  readonly signMethod: number;
  readonly host: string;
  readonly port: number;
  readonly tls: NativeTls | undefined;
  readonly connectTimeoutMs: number;
  readonly answerTimeoutMs: number;
  readonly credentialsFile: string;
}

/** What does not belong to the kind is an empty string. */
export interface NativeCredentials {
  readonly productKey: string;
  readonly deviceName: string;
  readonly deviceSecret: string;
  readonly clientId: string;
  readonly deviceToken: string;
}

export interface NativeRegistration {
  /** The end is told as ever, with ERR_ABORTED unless it was there already. */
  abort(): void;
}

/** An empty string means: not announced. */
export interface NativeUpgradeInfo {
  readonly id: string;
  readonly module: string;
  readonly version: string;
  readonly url: string;
  readonly size: number;
  readonly digestMethod: 'md5' | 'sha256';
  readonly digest: string;
  readonly digestSign: string;
  readonly statementSign: string;
  readonly isDiff: boolean;
  readonly extData: string;
  readonly files: readonly UpgradeFile[];
}

/** A file, the directory for several files, or with `inPlace` a device. */
export interface NativeTarget {
  readonly path: string;
  readonly mode: number;
  readonly inPlace: boolean;
  readonly base: number;
  readonly journal: string;
}

export interface NativeSignature {
  readonly value: Uint8Array;
  /** `enum iotkit_signed`: the digest, the image, the statement. */
  readonly over: 0 | 1 | 2;
}

export interface NativeDownloadOptions {
  readonly resume: boolean;
  /** Copies what another download of the process fetches, or makes hard links of it; of files alone. */
  readonly share: boolean | 'link';
  /** Of the image, or of each file in their order. */
  readonly signatures: readonly (NativeSignature | undefined)[];
}

/** `enum iotkit_made`: how the files of a download came to be. */
export const madeBy = [undefined, 'copied', 'cloned', 'linked'] as const;

/** What a download is doing, as its threads report it; it begins `queued`. */
export type NativePhase =
  | 'queued'
  | 'sharing'
  | 'proving'
  | 'downloading'
  | 'retrying'
  | 'paused'
  | 'verifying'
  | 'committing';

/**
 * Each change, in order; of more than 32 between two turns of the event loop the latest. Where it is
 * `retrying`: so many tries have failed, why the last one did, and in how many milliseconds the next
 * one begins.
 */
export type NativeOnPhase = (
  phase: NativePhase,
  attempt: number,
  errno: number,
  detail: string,
  delay: number,
) => void;

export interface NativeChunkOptions extends NativeDownloadOptions {
  /** Upper bound of a chunk, bytes. */
  readonly chunkSize: number;
  /** Each chunk has the memory of the one before it; else each has memory of its own. */
  readonly recycle: boolean;
}

export interface NativeFileDownload {
  abort(): void;
  /** The change of phase is told inside of the call. */
  pause(paused: boolean): void;
}

export interface NativeChunkDownload {
  /**
   * Lends room for one more chunk: memory of the addon's, because JavaScript could detach its own
   * while it is being filled. false: there is none.
   */
  lend(): boolean;
  /**
   * Calls back once: with a chunk, or without a buffer when the image has ended. false: another
   * call is waiting already. The addon writes into `buffer` no more; with `recycle` until the next
   * chunk.
   */
  take(
    onChunk: (errno: number, detail: string, buffer?: ArrayBuffer, length?: number) => void,
  ): boolean;
  /** Every chunk was taken and used: the targets that wait for that may be completed. */
  settle(): void;
  pause(paused: boolean): void;
  close(onEnd: () => void): void;
}

export interface NativeJob {
  readonly info: NativeUpgradeInfo;
  /**
   * onProgress is first called when all targets are open; `resumed`: the bytes already on disk from
   * an earlier download.
   */
  download(
    targets: readonly NativeTarget[],
    options: NativeDownloadOptions,
    onProgress: (received: number, resumed: number) => void,
    /** `made`: an index of {@link madeBy}; default 0. */
    onEnd: (errno: number, detail: string, made?: number) => void,
    onPhase: NativeOnPhase,
  ): NativeFileDownload | Failure;
  chunks(
    targets: readonly NativeTarget[],
    options: NativeChunkOptions,
    onPhase: NativeOnPhase,
  ): NativeChunkDownload | Failure;
}

/** A sub-device's identity; an empty string means: not set. */
export interface NativeSubDevice {
  readonly productKey: string;
  readonly deviceName: string;
  readonly deviceSecret?: string;
  readonly clientId?: string;
  readonly signMethod?: number;
  readonly keepSession?: boolean;
}

/** `GatewayRequest` of native/device/gateway.h. */
export const gatewayRequests = { add: 0, delete: 1, found: 2, register: 3, get: 4 } as const;

/** `enum iotkit_gateway_event_type`, from 1 on. */
export const subDeviceEvents = [
  'loggedIn',
  'refused',
  'loggedOut',
  'kicked',
  'disabled',
  'enabled',
  'deleted',
  'created',
  'addWanted',
  'permit',
] as const;

/** `channel`: a sub-device's, as openChannel() has named it; default 0: the device's own. */
export interface NativeDevice {
  /** The packet id, 0: of a sub-device, it is kept until that is logged in; or a negative error. */
  reportVersion(version: string, module: string, channel?: number): number;
  reportProgress(step: number, desc: string, module: string, channel?: number): number;
  /** The request's id, or a negative error. */
  request(module: string, channel?: number): string | number;
  /** The request's id, or a negative error. */
  requestConfig(channel?: number): string | number;
  /** 0, or a negative error. */
  answerConfig(pushId: string, code: number, message: string, channel?: number): number;
  /** The request's id, or a negative error. */
  requestTime(channel?: number): string | number;
  /** The packet id, 0 with QoS 0, or a negative error. The payload is not used after the return. */
  publish(topic: string, payload: string | Uint8Array, qos: number, retain: boolean): number;
  /**
   * The packet id, 0: it goes out with the next connection; or a negative error. `id` is the caller's,
   * and new.
   */
  subscribe(id: number, filter: string, qos: number): number;
  unsubscribe(id: number): void;
  /** While it is held nothing is read: no message, no acknowledgement. */
  holdReading(held: boolean): void;
  /** 0: no limit. */
  setBandwidthLimit(bytesPerSecond: number): void;
  close(): void;
  ref(): void;
  unref(): void;
}

/** A connection of the addon's own, which may be a gateway's. */
export interface NativeGateway extends NativeDevice {
  /** Messages come, but the broker is not asked. 0, or a negative error. `id` is the caller's, and new. */
  listen(id: number, filter: string): number;
  /** Asks the broker in this connection alone: the packet id, or a negative error. */
  ask(filter: string, qos: number): number;
  /** Of {@link gatewayRequests}: the request's id, or a negative error. */
  askGateway(what: number, devices: readonly NativeSubDevice[]): string | number;
  /** 0, or a negative error. */
  login(devices: readonly NativeSubDevice[]): number;
  logout(devices: readonly NativeSubDevice[]): number;
  /** Of a sub-device that login() has taken; `channel` is the caller's, new and not 0. 0, or a negative error. */
  openChannel(channel: number, productKey: string, deviceName: string): number;
  closeChannel(channel: number): void;
}

/** What a device over a connection of the program's wants sent, in this order. */
export interface NativeTransport {
  /** `packetId` 0: QoS 0. */
  publish(topic: string, payload: Uint8Array, qos: 0 | 1, packetId: number): void;
  subscribe(topic: string, qos: 0 | 1): void;
  unsubscribe(topic: string): void;
}

export type NativeAttachOptions = Pick<
  NativeDeviceOptions,
  'productKey' | 'deviceName' | 'fetch' | 'bytesPerSecond'
>;

/** A device over a connection of the program's. */
export interface NativeAttachment
  extends Pick<
    NativeDevice,
    | 'reportVersion'
    | 'reportProgress'
    | 'request'
    | 'requestConfig'
    | 'answerConfig'
    | 'requestTime'
    | 'setBandwidthLimit'
    | 'close'
    | 'ref'
    | 'unref'
  > {
  /** A message has arrived: whether it was the device's. */
  feed(topic: string, payload: Uint8Array, dup: boolean): boolean;
  /** true: subscribes everything, then sends what was kept. */
  setConnected(connected: boolean): void;
  /** A message of QoS 1 that the last connection did not take; for the next one; false: too many are kept. */
  keep(topic: string, payload: Uint8Array, packetId: number): boolean;
}

/** What a configuration has beyond the `info` of its job. */
export interface NativeConfigInfo {
  readonly configId: string;
  /** As it was sent. */
  readonly signMethod: string;
  /** By the platform, which awaits an answer; else a reply to a request. */
  readonly pushed: boolean;
}

/** What a channel reports; `channel`: a sub-device's, 0: the device's own. */
export interface ChannelListener {
  onUpgrade(job: NativeJob, channel?: number): void;
  onRefused(errno: number, detail: string, requestId: string, channel?: number): void;
  onNothing(requestId: string, channel?: number): void;
  onConfig(job: NativeJob, config: NativeConfigInfo, channel?: number): void;
  onConfigRefused(errno: number, detail: string, requestId: string, channel?: number): void;
  onConfigNothing(requestId: string, channel?: number): void;
  onTime(reading: NativeReading, requestId: string, channel?: number): void;
  onTimeRefused(errno: number, detail: string, requestId: string, channel?: number): void;
}

/** What a gateway reports. */
export interface GatewayListener {
  /** Four names for each device: product key, device name, secret, id; `''`: there is none. */
  onGatewayAnswer(
    requestId: string,
    errno: number,
    code: number,
    message: string,
    names: readonly string[],
  ): void;
  /** `type`: 1 and the index in {@link subDeviceEvents}; `connects`: how many connections there were then. */
  onSubDevice(
    type: number,
    productKey: string,
    deviceName: string,
    errno: number,
    code: number,
    message: string,
    connects: number,
  ): void;
}

/** What a device reports; the addon calls its methods by their names. */
export interface DeviceListener extends ChannelListener, GatewayListener {
  onState(
    state: number,
    errno: number,
    detail: string,
    connects: number,
    sessionPresent: boolean,
  ): void;
  onPublished(packetId: number, errno: number, detail: string): void;
  /** The broker's answer; the QoS as granted. */
  onSubscribed(packetId: number, qos: number, errno: number, detail: string): void;
  /**
   * Of each message four words of 32 bits in `heads`: the id of its subscription, 0 for none; its QoS, 4 where it is
   * retained, 8 where it is a duplicate; the index of its topic; the bytes of its payload. The payloads
   * stand one after the other.
   */
  onMessages(heads: ArrayBuffer, topics: readonly string[], payloads: ArrayBuffer): void;
  /** The last call. */
  onClosed(): void;
}

export interface Binding {
  readonly version: string;
  /** The published C API, function by function. */
  readonly sdk: NativePublished;
  openDevice(options: NativeDeviceOptions, listener: DeviceListener): NativeGateway | Failure;
  attachDevice(
    options: NativeAttachOptions,
    listener: DeviceListener,
    transport: NativeTransport,
  ): NativeAttachment | Failure;
  /** Calls back once, unless it fails here. */
  register(
    options: NativeRegisterOptions,
    onEnd: (errno: number, detail: string, credentials?: NativeCredentials) => void,
  ): NativeRegistration | Failure;
  parseJob(json: string, fetch: NativeFetchOptions): NativeJob | Failure;
  createTls(options: NativeTlsOptions): NativeTls | Failure;
  /** An id of before, or of nobody, changes nothing. */
  giveSignature(id: number, signature: Uint8Array): void;
  failSignature(id: number, reason: string): void;
  createKeys(pem: string): NativeKeys | Failure;
  tlsSource(): string | null;
  setMaxDownloads(count: number): void;
  /** Of the process: whether downloads that begin from now on digest on a second thread. At first not. */
  setDigestsBeside(beside: boolean): void;
  /** Of all downloads of the process; 0: no limit. */
  setBandwidthLimit(bytesPerSecond: number): void;
  stats(): Stats;
}
