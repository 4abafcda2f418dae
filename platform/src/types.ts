import type { Clock } from './clock';
import type { Fault } from './fault-types';

/** Digest that goes with a firmware: `sign` in the notice, `md5` besides it with `'MD5'` only. */
export type SignMethod = 'MD5' | 'SHA256';

/**
 * The platform's states of one device's upgrade. `succeeded`, `failed` and `cancelled` are final.
 */
export type TaskState =
  | 'to-be-confirmed'
  | 'pending'
  | 'pushed'
  | 'upgrading'
  | 'succeeded'
  | 'failed'
  | 'cancelled';

/** Name of a device on the platform. */
export interface DeviceKey {
  readonly productKey: string;
  readonly deviceName: string;
}

/** What `devices.add` takes. */
export interface DeviceOptions extends DeviceKey {
  /** Default: 32 hex digits from the system's random generator. */
  readonly deviceSecret?: string;
}

/** A registered device. */
export interface Device extends DeviceKey {
  readonly deviceSecret: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Last version reported by each module; the default module has the key `default`. */
  readonly versions: Readonly<Record<string, string>>;
  /** On an external broker: whether the device was ever heard. */
  readonly online: boolean;
}

/** Where bytes come from. Exactly one is given. */
export interface FirmwareSource {
  /** Path of a file to copy; it is streamed, never held in memory. */
  readonly file?: string;
  readonly data?: Uint8Array;
  readonly stream?: AsyncIterable<Uint8Array>;
}

/** One of several files of a firmware. */
export interface FirmwareFileOptions extends FirmwareSource {
  /** A name without a directory, 1-242 bytes; no two files of a firmware have the same. */
  readonly name: string;
}

/** What `firmware.add` takes. Exactly one of `file`, `data`, `stream` and `files` is given. */
export interface FirmwareOptions extends FirmwareSource {
  readonly productKey: string;
  /** 1-64 letters, digits, `.`, `-`, `_`. */
  readonly version: string;
  /** Same characters as `version`. Absent: the default module. */
  readonly module?: string;
  /** 1-20; the notice then has `files` and no `url`, `size`, `sign` of its own. */
  readonly files?: readonly FirmwareFileOptions[];
  /** Default `'SHA256'`. */
  readonly signMethod?: SignMethod;
  /** Versions it may be installed over. Absent: over any. */
  readonly sourceVersions?: readonly string[];
  /** Marks a delta package: `isDiff` 1 in the notice. Default false. */
  readonly isDiff?: boolean;
  /** Passed through to the device; keys ≤ 30, values ≤ 1024, `_package_udi` ≤ 4096 characters. */
  readonly extData?: Readonly<Record<string, string>>;
}

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

/** What was sent of a firmware since the platform was started. */
export interface FirmwareTraffic {
  /** HTTP requests that have ended, and blocks over MQTT. */
  readonly requests: number;
  /** Of the image: heads, framing and what a fault added are not counted. */
  readonly bytes: number;
}

/** What `configs.set` takes. */
export interface ConfigOptions {
  readonly productKey: string;
  /** 1-65,536 bytes. */
  readonly data: Uint8Array | string;
  /** `Md5` or `Sha256` on the wire. Default `'SHA256'`. */
  readonly signMethod?: SignMethod;
}

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

/** What `configs.push` takes. */
export interface ConfigPushOptions {
  readonly productKey: string;
  /** Names of devices. Absent: every device of the product. */
  readonly devices?: readonly string[];
  /** How long the answers are awaited, 1-3600. Default 30. */
  readonly timeoutSeconds?: number;
}

/** What became of a push to one device; `offline`: it could not be sent. */
export type ConfigPushState = 'accepted' | 'refused' | 'offline' | 'unanswered';

/** The push of a configuration to one device. */
export interface ConfigPush extends DeviceKey {
  readonly configId: string;
  readonly state: ConfigPushState;
  /** The device's own code, if it answered: 200 is `accepted`. */
  readonly code?: number;
  /** The device's own words. */
  readonly message?: string;
}

/** Retries by the platform after a negative step or a wrong version; never after a time-out. */
export interface RetryPolicy {
  readonly attempts: 1 | 2 | 5;
  readonly delayMinutes: 0 | 10 | 30 | 60 | 1440;
}

/** What `upgrades.start` takes. */
export interface UpgradeOptions {
  readonly firmwareId: string;
  /** Names of devices of the firmware's product, or keys. At least one. */
  readonly devices: readonly (string | DeviceKey)[];
  /** From the first progress report, 1-1440. Absent: no time-out. */
  readonly timeoutMinutes?: number;
  /** Tasks wait in `to-be-confirmed` until `upgrades.confirm`. Default false. */
  readonly requireConfirmation?: boolean;
  /** Absent: no retry. */
  readonly retry?: RetryPolicy;
  /** `'pull'`: never pushed, the device has to ask. Default `'push'`. */
  readonly delivery?: 'push' | 'pull';
  /**
   * `'mqtt'`: in blocks over the device's MQTT connection; one image of at most 16 MiB. Default
   * `'https'`: at an address.
   */
  readonly protocol?: 'https' | 'mqtt';
}

/** One step in the life of a task. */
export interface TaskTransition {
  readonly state: TaskState;
  /** Milliseconds since the epoch. */
  readonly time: number;
  readonly reason: TaskReason;
  /** Progress step that caused it. */
  readonly step?: number;
  /** The device's own words. */
  readonly desc?: string;
}

/** Why a task entered a state. */
export type TaskReason =
  | 'created'
  | 'confirmed'
  | 'delivered'
  | 'pulled'
  | 'progress'
  | 'version-reported'
  | 'wrong-version'
  | 'device-failed'
  | 'time-out'
  | 'conflict'
  | 'retry'
  | 'cancelled-by-operator'
  | 'device-removed';

/** One device's part in an upgrade. */
export interface UpgradeTask extends DeviceKey {
  readonly upgradeId: string;
  readonly module?: string;
  readonly state: TaskState;
  /** Last step reported: 0…100, or -1…-4. */
  readonly step?: number;
  readonly desc?: string;
  /** 0 at first; counts the retries begun. */
  readonly retries: number;
  /** Milliseconds since the epoch at which an `upgrading` task times out. */
  readonly deadline?: number;
  /** Milliseconds since the epoch before which a task waiting for its retry is not pushed. */
  readonly notBefore?: number;
  readonly history: readonly TaskTransition[];
}

/** An upgrade job: one firmware, some devices. */
export interface Upgrade {
  readonly id: string;
  readonly firmwareId: string;
  /** Target version, kept when the firmware is removed. */
  readonly version: string;
  readonly module?: string;
  readonly timeoutMinutes?: number;
  readonly requireConfirmation: boolean;
  readonly retry?: RetryPolicy;
  readonly delivery: 'push' | 'pull';
  readonly protocol: 'https' | 'mqtt';
  /** With MQTT: what blocks are asked of. */
  readonly streamId?: number;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly tasks: readonly UpgradeTask[];
  /** Whether every task is final. */
  readonly settled: boolean;
}

/** PEM texts of a server identity. */
export interface TlsIdentity {
  /** What clients have to trust. */
  readonly ca: string;
  readonly key: string;
  readonly cert: string;
}

/** An MQTT broker to join instead of embedding one. */
export interface ExternalBroker {
  /** `mqtt://`, `mqtts://`, `ws://` or `wss://`. */
  readonly url: string;
  readonly username?: string;
  readonly password?: string;
  /** PEM to trust besides nothing else; absent: the runtime's list. */
  readonly ca?: string;
  /** Default `iotkit-ota-platform-` and random digits. */
  readonly clientId?: string;
}

/** What `Platform.start` takes; everything has a default. */
export interface PlatformOptions {
  /** Address to listen on. Default `'127.0.0.1'`. */
  readonly host?: string;
  /**
   * Host name in the addresses given out. Default: `host`, or `localhost` when that is a wildcard.
   */
  readonly publicHost?: string;
  /** Default: a fresh temporary directory, removed on close. */
  readonly stateDir?: string;
  /** Port 0 (the default) takes any free one; `false` leaves the listener out. */
  readonly mqtt?: { readonly port?: number | false; readonly tlsPort?: number | false };
  /** Firmware and operator API. Port 0 (the default) takes any free one; `false` leaves it out. */
  readonly http?: { readonly port?: number | false; readonly tlsPort?: number | false };
  /** Default: an own CA, made on the first start and kept in `stateDir`. */
  readonly tls?: TlsIdentity;
  readonly broker?: ExternalBroker;
  /**
   * Accepted keep-alive, seconds. Default `{ min: 30, max: 1200 }`; `min: 0` accepts "none" too.
   */
  readonly keepAliveSeconds?: { readonly min?: number; readonly max?: number };
  /** Scheme of the firmware URLs in notices. Default `'https'`, if its listener is on. */
  readonly firmwareScheme?: 'http' | 'https';
  /** Firmware is served elsewhere: URLs become this and `/{id}.bin`, unsigned. */
  readonly firmwareBaseUrl?: string;
  /** Default 86,400. */
  readonly urlLifetimeSeconds?: number;
  /** Firmware URLs are padded to at least this many characters. Default 0; at most 4,000. */
  readonly urlMinLength?: number;
  /** Largest firmware accepted. Default 1000 MiB. */
  readonly maxFirmwareBytes?: number;
  /** PEM of an RSA private key of 2048 bits; notices then carry `digestsign`. */
  readonly signingKey?: string;
  /** Bearer token of the operator API. Default: random, kept in `stateDir`. */
  readonly operatorToken?: string;
  /** Default: the system's clock. */
  readonly clock?: Clock;
  /** Faults set from the start. */
  readonly faults?: readonly Fault[];
}

/** How a request for a file ended. */
export interface DownloadOutcome {
  readonly method: string;
  readonly status: number;
  readonly bytes: number;
  readonly complete: boolean;
  readonly range?: string;
  readonly faultId?: string;
}

interface EventBase {
  /** Milliseconds since the epoch. */
  readonly time: number;
}

/** Everything the platform tells, by the name of its event. */
export interface PlatformEvents {
  'device-connected': EventBase & DeviceKey;
  'device-disconnected': EventBase & DeviceKey;
  /** A connection was refused; `returnCode` is that of the CONNACK. */
  'device-refused': EventBase & {
    readonly clientId: string;
    readonly returnCode: number;
    readonly reason: string;
  };
  'version-reported': EventBase &
    DeviceKey & { readonly module?: string; readonly version: string };
  /** The task moved to another state; the last entry of its history says why. */
  'task-changed': EventBase & { readonly upgradeId: string; readonly task: UpgradeTask };
  progress: EventBase &
    DeviceKey & {
      readonly upgradeId: string;
      readonly module?: string;
      readonly step: number;
      readonly desc: string;
    };
  /** A notice was published or a pull answered with one. */
  'notice-sent': EventBase & DeviceKey & { readonly upgradeId: string; readonly topic: string };
  /** A device sent what the protocol does not allow; it was ignored or answered with an error. */
  'bad-message': EventBase & {
    readonly topic: string;
    readonly reason: string;
    readonly clientId?: string;
  };
  /** A device was sent its configuration's address, pushed or because it asked. */
  'config-sent': EventBase & DeviceKey & { readonly configId: string; readonly topic: string };
  /** A device answered a push; code 200 is a success. */
  'config-answered': EventBase &
    DeviceKey & { readonly configId: string; readonly code: number; readonly message?: string };
  /** As `download`, of a configuration. */
  'config-download': EventBase & DownloadOutcome & { readonly configId: string };
  /** A firmware request ended; `bytes` is how much of the body was sent, `file` one of several. */
  download: EventBase & DownloadOutcome & { readonly firmwareId: string; readonly file?: string };
  /** A device asked for a block over MQTT. Code 200: it was answered with these bytes. */
  'block-requested': EventBase &
    DeviceKey & {
      readonly firmwareId?: string;
      readonly offset: number;
      readonly size: number;
      readonly code: number;
      readonly faultId?: string;
    };
}

/** Name of an event. */
export type PlatformEventName = keyof PlatformEvents;

/** Any event with its name in `type`: what `platform.events()` and the event stream give. */
export type PlatformEvent = {
  [Name in PlatformEventName]: { readonly type: Name } & PlatformEvents[Name];
}[PlatformEventName];
