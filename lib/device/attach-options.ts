/** The options of attach(): who the device is, and the program's way to the platform. */
import {
  callback,
  options as checkOptions,
  flag,
  optional,
  orElse,
  wrongType,
} from '../base/arguments';
import { type CheckedFetch, checkFetch, type FetchOptions } from '../options/fetch';
import { checkDeviceName, checkProductKey } from '../options/names';
import { type CheckedVerify, checkVerify, type VerifyOptions } from '../options/verify';
import { checkLogger, type Logger } from './logger';

/** What {@link attach} takes, whatever the connection. */
export interface AttachedOptions {
  /** 1-20 letters and digits: of the device that the connection is signed in as, or of its sub-device. */
  readonly productKey: string;
  /** 1-32 characters of letters, digits and `-_@.:`. */
  readonly deviceName: string;
  /** How firmware is fetched. Not over the program's connection, but for images in MQTT blocks. */
  readonly fetch?: FetchOptions | undefined;
  /** What may be installed: signatures and versions. */
  readonly verify?: VerifyOptions | undefined;
  /** Where the device writes what happens to it, such as a pino logger. Default: nowhere. */
  readonly logger?: Logger | undefined;
}

/** How a message is sent, or subscribed to. */
export interface AttachQos {
  /** Quality of service of MQTT. */
  readonly qos: 0 | 1;
}

/**
 * Takes a message that has arrived, whatever its topic. Returns whether it was the device's.
 *
 * @param topic of the message
 * @param payload its bytes, which are only read during the call
 * @param dup whether it may have been delivered before. Default false.
 */
export type AttachReceive = (topic: string, payload: Uint8Array, dup?: boolean) => boolean;

/** Ends what it was returned for; undefined: nothing is to be ended. */
// biome-ignore lint/suspicious/noConfusingVoidType: what a function without a return statement returns
export type AttachStop = (() => unknown) | void;

/**
 * A connection of the program's. The functions are called on the thread of {@link attach}, one after
 * the other, never inside each other and never inside {@link AttachReceive}.
 */
export interface AttachOptions extends AttachedOptions {
  /**
   * Sends a message. With QoS 1 a promise that resolves when the broker has acknowledged it; what it
   * rejects with fails the report, or, if there is no connection any more, has it sent again with the
   * next one. Of QoS 0 nothing but a rejection matters, which `refused` tells.
   */
  readonly publish: (topic: string, payload: Uint8Array, options: AttachQos) => unknown;
  /**
   * Subscribes a topic, which has no wildcards: after each connect, and when a download begins that
   * comes in MQTT blocks. May return a promise; what it rejects with is the device's
   * `ERR_MQTT_SUBSCRIBE`.
   */
  readonly subscribe: (topic: string, options: AttachQos) => unknown;
  /** Gives a subscription back, with {@link Device.close} too. Default: it stays. */
  readonly unsubscribe?: ((topic: string) => unknown) | undefined;
  /**
   * Is called once, with the function that takes every message of the connection from then on. What it
   * returns is called when the device closes.
   */
  readonly onMessage: (receive: AttachReceive) => AttachStop;
  /**
   * Is called once, with the function that is to be called with true after each connect and with false
   * when a connection is lost. What it returns is called when the device closes. Default: there always
   * is a connection, which keeps its subscriptions.
   */
  readonly onConnection?: ((changed: (connected: boolean) => void) => AttachStop) | undefined;
  /** Whether there is a connection now. Default true. */
  readonly connected?: boolean | undefined;
}

/** @internal The program's functions, each of which is one. */
export interface CheckedTransport {
  readonly publish: AttachOptions['publish'];
  readonly subscribe: AttachOptions['subscribe'];
  readonly unsubscribe: (topic: string) => unknown;
  readonly onMessage: AttachOptions['onMessage'];
  readonly onConnection: NonNullable<AttachOptions['onConnection']>;
  readonly connected: boolean;
}

/** @internal */
export interface CheckedAttach {
  readonly productKey: string;
  readonly deviceName: string;
  readonly fetch: CheckedFetch;
  readonly verify: CheckedVerify;
  readonly logger: Logger | undefined;
}

const attachedKeys = ['productKey', 'deviceName', 'fetch', 'verify', 'logger'] as const;
const transportKeys = [
  'publish',
  'subscribe',
  'unsubscribe',
  'onMessage',
  'onConnection',
  'connected',
] as const;

type Environment = Readonly<Record<string, string | undefined>>;

/** @internal Throws a TypeError or RangeError that names the option. */
export function checkAttachOptions(
  given: AttachOptions,
  environment: Environment,
): readonly [CheckedAttach, CheckedTransport] {
  if (given === undefined) throw wrongType('options', 'an object', given);
  const options = checkOptions('options', given, [...attachedKeys, ...transportKeys]);
  const { unsubscribe, onConnection } = options;
  const transport = {
    publish: callback('publish', options.publish as AttachOptions['publish']),
    subscribe: callback('subscribe', options.subscribe as AttachOptions['subscribe']),
    unsubscribe: optional(unsubscribe, (it) => callback('unsubscribe', it)) ?? (() => {}),
    onMessage: callback('onMessage', options.onMessage as AttachOptions['onMessage']),
    onConnection: optional(onConnection, (it) => callback('onConnection', it)) ?? (() => {}),
    connected: flag('connected', orElse(options.connected, true)),
  };
  return [checkAttached(options, environment), transport];
}

/** @internal The options of a ready adapter. */
export function checkAdapterOptions(given: AttachedOptions): AttachedOptions {
  if (given === undefined) throw wrongType('options', 'an object', given);
  checkOptions('options', given, attachedKeys);
  return given;
}

function checkAttached(options: Partial<AttachedOptions>, environment: Environment): CheckedAttach {
  return {
    productKey: checkProductKey(options.productKey),
    deviceName: checkDeviceName(options.deviceName),
    fetch: checkFetch(options.fetch, undefined, environment),
    verify: checkVerify(options.verify),
    logger: optional(options.logger, checkLogger),
  };
}
