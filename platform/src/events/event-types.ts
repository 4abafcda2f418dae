import type { StateProblem } from '../base/problems';
import type { DeviceKey } from '../types/device';
import type { UpgradeTask } from '../types/upgrade';

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

/** Everything the platform reports, by the name of its event. */
export interface PlatformEvents {
  'device-connected': EventBase & DeviceKey;
  'device-disconnected': EventBase & DeviceKey;
  /**
   * A connection was refused; `returnCode` is that of the CONNACK. Or a registration over HTTPS: then it
   * is the platform's code, and `clientId` what the user name would be.
   */
  'device-refused': EventBase & {
    readonly clientId: string;
    readonly returnCode: number;
    readonly reason: string;
  };
  /**
   * A device has published something, whatever the topic. Only given to who names it (`on`,
   * `waitFor`), not among all events.
   */
  message: EventBase & DeviceKey & { readonly topic: string; readonly payload: Buffer };
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
  /** A device has uploaded so many entries of its log. */
  'log-posted': EventBase & DeviceKey & { readonly entries: number };
  /** A request of a gateway was decided; code 200 is a success. */
  'gateway-request': EventBase &
    DeviceKey & { readonly request: string; readonly code: number; readonly reason: string };
  /** A device became a sub-device of a gateway, or is none any longer. */
  'topology-changed': EventBase &
    DeviceKey & { readonly gateway: DeviceKey; readonly isRelated: boolean };
  /** A device has posted properties of its thing model. */
  'properties-posted': EventBase &
    DeviceKey & {
      readonly properties: Readonly<
        Record<string, { readonly value: unknown; readonly time: number }>
      >;
    };
  /** A gateway has found devices that may be its sub-devices. */
  'sub-devices-found': EventBase & DeviceKey & { readonly devices: readonly DeviceKey[] };
  /** Records can no longer be written, or can again: what devices report waits in memory meanwhile. */
  'state-health': EventBase & { readonly degraded: boolean; readonly reason?: string };
  /** A record that cannot be read, or an image that is not there; see `platform.health`. */
  'state-problem': EventBase & StateProblem;
  /** The external broker was lost, or joined again. */
  'broker-health': EventBase & { readonly connected: boolean; readonly reason?: string };
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

/** Any event but `message`, its name in `type`: what `platform.events()` and the event stream give. */
export type PlatformEvent = {
  [Name in Exclude<PlatformEventName, 'message'>]: { readonly type: Name } & PlatformEvents[Name];
}[Exclude<PlatformEventName, 'message'>];
