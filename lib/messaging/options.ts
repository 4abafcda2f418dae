// Tested by test/unit/messaging/messaging.test.ts
/** The options of connect() that concern messages. */
import { options as checkOptions, flag, integer, orElse, outOfRange } from '../base/arguments';
import { IotkitError } from '../base/errors';
import {
  checkOffline,
  checkPayload,
  checkQos,
  checkTopic,
  type OfflinePolicy,
  type Payload,
  type Qos,
} from './arguments';
import { PLATFORM_RATES, type Rates } from './pacer';

/** How many messages go in a second. */
export interface RateOptions {
  /** Of QoS 0, 2-1,000,000. Default 30. */
  readonly qos0?: number | undefined;
  /** Of QoS 1 and 2, 1-1,000,000. Default 10. */
  readonly qos1?: number | undefined;
}

/** What becomes of messages that cannot be sent at once. */
export interface MessagesOptions {
  /**
   * Of those that are published while there is no connection: `'keep'` them until there is one, or
   * `'refuse'` them with `ERR_NOT_CONNECTED`. Default `'keep'`. A message of QoS 1 or 2 that has been handed to the
   * connection is sent again after a drop in any case.
   */
  readonly offline?: OfflinePolicy | undefined;
  /**
   * How many messages wait to be sent at most, because there is no connection or it is not fast
   * enough; beyond that `publish()` rejects with `ERR_QUEUE_FULL`. 1-1,000,000, default 1,000.
   * Together they have at most 16 MiB of payload.
   */
  readonly maxWaiting?: number | undefined;
  /**
   * How many messages a device publishes in a second at most, its OTA's included; beyond that they wait for
   * their turn. `false`: no limit. Default: with `region` and `instanceId` what the platform takes, 30 of QoS
   * 0 and 10 of QoS 1; else `false`.
   */
  readonly rate?: RateOptions | false | undefined;
  /**
   * Lets the platform call the device on topics of its own (custom RRPC), for `device.onRpc()` with a
   * `topic`. It becomes part of the client id. Default false.
   */
  readonly customRpc?: boolean | undefined;
}

/** What the broker publishes when the connection ends without a goodbye. */
export interface WillOptions {
  /** Where it is published. */
  readonly topic: string;
  /** At most 65,535 bytes. */
  readonly payload: Payload;
  /** Default 0. */
  readonly qos?: Qos | undefined;
  /** The broker keeps it for those who subscribe later. Default false. */
  readonly retain?: boolean | undefined;
}

/** @internal */
export interface CheckedMessages {
  /** The real platform is at the other end, which has no QoS 2, no retained messages and no wills. */
  readonly isPlatform: boolean;
  /** The broker keeps messages while the device is away: they may come before they are subscribed. */
  readonly isPersistent: boolean;
  readonly offline: OfflinePolicy;
  readonly maxWaiting: number;
  readonly rate: Rates;
  readonly customRpc: boolean;
}

/** @internal As the addon takes it. */
export interface CheckedWill {
  /** `''`: there is none. */
  readonly willTopic: string;
  readonly willPayload: Uint8Array;
  readonly willQos: Qos;
  readonly willRetain: boolean;
}

const WILL_MAX_BYTES = 65_535;
const noWill: CheckedWill = {
  willTopic: '',
  willPayload: new Uint8Array(0),
  willQos: 0,
  willRetain: false,
};

/** @internal Throws an error that names the option. */
export function checkMessages(
  given: MessagesOptions | undefined,
  { isPlatform, isPersistent }: { readonly isPlatform: boolean; readonly isPersistent: boolean },
): CheckedMessages {
  const keys = ['offline', 'maxWaiting', 'rate', 'customRpc'] as const;
  const { offline, maxWaiting, rate, customRpc } = checkOptions('messages', given, keys);
  return {
    isPlatform,
    isPersistent,
    offline: checkOffline('messages.offline', orElse(offline, 'keep')),
    maxWaiting: integer('messages.maxWaiting', orElse(maxWaiting, 1_000), {
      min: 1,
      max: 1_000_000,
    }),
    rate: checkRate(rate, isPlatform),
    customRpc: flag('messages.customRpc', orElse(customRpc, false)),
  };
}

function checkRate(given: RateOptions | false | undefined, isPlatform: boolean): Rates {
  if (given === false || (given === undefined && !isPlatform)) return { qos0: 0, qos1: 0 };
  const { qos0, qos1 } = checkOptions('messages.rate', given, ['qos0', 'qos1']);
  return {
    qos0: integer('messages.rate.qos0', orElse(qos0, PLATFORM_RATES.qos0), {
      min: 2,
      max: 1_000_000,
    }),
    qos1: integer('messages.rate.qos1', orElse(qos1, PLATFORM_RATES.qos1), {
      min: 1,
      max: 1_000_000,
    }),
  };
}

/** @internal Throws an error that names the option. */
export function checkWill(given: WillOptions | undefined, isPlatform: boolean): CheckedWill {
  if (given === undefined) return noWill;
  const will = checkOptions('will', given, ['topic', 'payload', 'qos', 'retain']);
  const payload = checkPayload('will.payload', will.payload);
  const bytes = typeof payload === 'string' ? new TextEncoder().encode(payload) : payload.slice();
  if (bytes.length > WILL_MAX_BYTES) {
    throw outOfRange('will.payload.length', `at most ${WILL_MAX_BYTES}`, bytes.length);
  }
  const checked = {
    willTopic: checkTopic('will.topic', will.topic),
    willPayload: bytes,
    willQos: checkQos('will.qos', orElse(will.qos, 0)),
    willRetain: flag('will.retain', orElse(will.retain, false)),
  };
  if (!isPlatform) return checked;
  throw new IotkitError('ERR_UNSUPPORTED', 'will: the platform has none on MQTT 3.1.1');
}
