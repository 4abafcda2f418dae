// Tested by test/unit/device/device.test.ts
/**
 * The parts of a device, each made when it is first used, because a gateway has thousands of devices;
 * and what the addon reports to them.
 */
import type {
  ChannelListener,
  DeviceListener,
  NativeConfigInfo,
  NativeDevice,
  NativeGateway,
  NativeJob,
  NativeReading,
} from '../addon/binding';
import { callingInContext } from '../base/context';
import { IotkitError } from '../base/errors';
import { type ConfigHost, RemoteConfig } from '../config/remote-config';
import type * as GatewayModule from '../gateway/gateway';
import type { Gateway } from '../gateway/gateway';
import type { SubDeviceHandle } from '../gateway/sub-devices';
import { Messaging, type MessagingHost } from '../messaging/messaging';
import type { CheckedMessages } from '../messaging/options';
import type { VersionRules } from '../options/verify';
import { Ota, type OtaHost } from '../ota/ota';
import { ClockWatch, type WrongClock } from '../time/clock-watch';
import { TimeRequests } from '../time/platform-time';
import { Line } from './line';

/** Of a device within its platform. */
export interface DeviceNames {
  readonly productKey: string;
  readonly deviceName: string;
}

/** What a device keeps to. */
export interface DeviceRules {
  readonly verify: VersionRules;
  readonly messages: CheckedMessages;
  /** `fetch.maxSize`, of what JavaScript makes of a download; 0 or undefined: any number of bytes. */
  readonly maxSize?: number;
}

/** Opens a connection, or what stands for one. */
export type OpenNative = (listener: DeviceListener) => NativeDevice;

/** What not every device has. */
export interface PartsExtras {
  /** The platform's time is asked for after each connect, and goes there. */
  readonly setCertificateTime?: ((reading: NativeReading) => void) | undefined;
  /** Of a sub-device: that of its gateway. */
  readonly line?: Line | undefined;
}

/** What they need of their device. */
export interface PartsHost<S> extends MessagingHost, OtaHost {
  readonly listeners: OtaHost['listeners'] &
    ConfigHost['listeners'] & {
      emit(event: 'clock', wrong: WrongClock): void;
      add(event: 'runEnd', call: (run: RunEnd) => void): unknown;
    };
  /** As DeviceListener says. */
  onState(state: number, errno: number, detail: string, connects: number): void;
  /** Likewise; its parts have ended. */
  onClosed(): void;
  /** Something of a sub-device keeps the process alive, or no longer does. */
  holdFor(count: 1 | -1): void;
  /** Hears of a refusal before its OTA does. */
  onRefused(error: IotkitError): void;
  /** Reports an error that nobody awaits. */
  emitRefused(error: IotkitError): void;
  /** Makes a device over the same connection. */
  openSub(names: DeviceNames, openNative: OpenNative): S;
}

interface RunEnd {
  readonly failure?: { readonly reason: unknown } | undefined;
}

const methods = [
  'onState',
  'onPublished',
  'onSubscribed',
  'onMessages',
  'onUpgrade',
  'onRefused',
  'onNothing',
  'onConfig',
  'onConfigRefused',
  'onConfigNothing',
  'onTime',
  'onTimeRefused',
  'onGatewayAnswer',
  'onSubDevice',
  'onClosed',
] as const satisfies readonly (keyof DeviceListener)[];

/** As the addon takes it: its methods run in the asynchronous context of this call. */
export const listenerOf: (parts: DeviceListener) => DeviceListener =
  callingInContext<DeviceListener>(methods);

/**
 * What a closed device keeps: nothing that leads to its TLS contexts, as a function that signs lives as long as
 * they do, and may know the device.
 */
export function withoutUse({ line }: PartsExtras): PartsExtras {
  return { line };
}

export class Parts<S extends SubDeviceHandle> implements DeviceListener {
  readonly #device: PartsHost<S>;
  readonly #rules: DeviceRules;
  #extras: PartsExtras;
  #native: NativeDevice | undefined;
  #line: Line | undefined;
  #ota: Ota | undefined;
  #config: RemoteConfig | undefined;
  #messaging: Messaging | undefined;
  #time: TimeRequests | undefined;
  #clock: ClockWatch | undefined;
  #gateway: Gateway<S> | undefined;
  #isConnected = false;
  #connects = 0;
  /** What ends them; undefined: they go on. */
  #closing: IotkitError | undefined;

  constructor(device: PartsHost<S>, rules: DeviceRules, extras: PartsExtras) {
    this.#device = device;
    this.#rules = rules;
    this.#extras = extras;
    this.#line = extras.line;
  }

  /** Before anything else: what they send by. */
  open(native: NativeDevice): void {
    this.#native = native;
  }

  /** What they share with the other devices of their connection. */
  get line(): Line {
    this.#line ??= new Line(this.#connection, this.#rules.messages);
    return this.#line;
  }

  get ota(): Ota {
    if (this.#ota !== undefined) return this.#ota;
    const { verify, maxSize } = this.#rules;
    const ota = new Ota(this.#device, this.#connection, verify, maxSize, this.line.progress);
    this.#ota = ota;
    this.line.otas.add(ota);
    this.#device.listeners.add('runEnd', ({ failure }) => this.failed(failure?.reason));
    if (this.#isConnected) ota.onConnected(this.#connects);
    if (this.#closing !== undefined) void ota.shutdown(this.#closing);
    return ota;
  }

  get config(): RemoteConfig {
    if (this.#config !== undefined) return this.#config;
    const config = new RemoteConfig(this.#device, this.#connection);
    this.#config = config;
    if (this.#isConnected) config.onConnected(this.#connects);
    if (this.#closing !== undefined) void config.shutdown(this.#closing);
    return config;
  }

  get messaging(): Messaging {
    if (this.#messaging !== undefined) return this.#messaging;
    const { messages } = this.line;
    const messaging = new Messaging(this.#device, this.#connection, this.#rules.messages, messages);
    this.#messaging = messaging;
    if (this.#isConnected) messaging.onConnected();
    if (this.#closing !== undefined) messaging.close(this.#closing);
    return messaging;
  }

  get time(): TimeRequests {
    if (this.#time !== undefined) return this.#time;
    const time = new TimeRequests(this.#device, this.#connection, (reading) => {
      this.#extras.setCertificateTime?.(reading);
      this.#clockWatch.measured(reading);
    });
    this.#time = time;
    if (this.#closing !== undefined) time.close(this.#closing);
    return time;
  }

  get gateway(): Gateway<S> {
    this.#gateway ??= this.#openGateway();
    return this.#gateway;
  }

  /** Something has failed, maybe by this machine's clock. */
  failed(error: unknown): void {
    if (IotkitError.is(error)) this.#clockWatch.failed(error);
  }

  /** There is a connection, maybe still the same. */
  connected(connects: number): void {
    const isNew = connects !== this.#connects;
    this.#isConnected = true;
    this.#connects = connects;
    this.#ota?.onConnected(connects);
    this.#config?.onConnected(connects);
    this.#messaging?.onConnected();
    this.#gateway?.onConnected(connects);
    if (isNew) this.#askForTime();
  }

  disconnected(): void {
    this.#isConnected = false;
    this.#messaging?.onDisconnected();
    this.#config?.onDisconnected();
    this.#gateway?.onDisconnected();
  }

  /** All that waits or runs ends with `reason`. Resolves when no download runs any more. */
  async shutdown(reason: IotkitError): Promise<void> {
    this.#closing = reason;
    this.#messaging?.close(reason);
    this.#time?.close(reason);
    await Promise.all([
      this.#gateway?.shutdown(reason),
      this.#ota?.shutdown(reason),
      this.#config?.shutdown(reason),
    ]);
  }

  /* ---- what the addon reports, as DeviceListener says ---- */

  onState(state: number, errno: number, detail: string, connects: number): void {
    this.#device.onState(state, errno, detail, connects);
  }

  onPublished(packetId: number, errno: number, detail: string): void {
    const error = errno === 0 ? undefined : IotkitError.fromErrno(errno, detail);
    if (this.#line?.messages.flights.settle(packetId, error) === true) return;
    this.#ota?.onPublished(packetId, errno, detail);
  }

  onSubscribed(packetId: number, qos: number, errno: number, detail: string): void {
    const error = errno === 0 ? undefined : IotkitError.fromErrno(errno, detail);
    const isOurs = this.#line?.messages.inbox.onSubscribed(packetId, qos, error);
    if (isOurs !== true && error !== undefined) this.#refused(error, '');
  }

  onMessages(heads: ArrayBuffer, topics: readonly string[], payloads: ArrayBuffer): void {
    this.line.messages.inbox.onMessages(heads, topics, payloads);
  }

  onUpgrade(job: NativeJob, channel = 0): void {
    if (channel === 0) this.ota.onUpgrade(job);
    else this.#at(channel)?.onUpgrade(job);
  }

  onRefused(errno: number, detail: string, requestId: string, channel = 0): void {
    if (channel === 0) this.#refused(IotkitError.fromErrno(errno, detail), requestId);
    else this.#at(channel)?.onRefused(errno, detail, requestId);
  }

  onNothing(requestId: string, channel = 0): void {
    if (channel === 0) this.#ota?.onNothing(requestId);
    else this.#at(channel)?.onNothing(requestId);
  }

  onConfig(job: NativeJob, config: NativeConfigInfo, channel = 0): void {
    if (channel === 0) this.config.onConfig(job, config);
    else this.#at(channel)?.onConfig(job, config);
  }

  onConfigRefused(errno: number, detail: string, requestId: string, channel = 0): void {
    if (channel === 0) this.config.onRefused(IotkitError.fromErrno(errno, detail), requestId);
    else this.#at(channel)?.onConfigRefused(errno, detail, requestId);
  }

  onConfigNothing(requestId: string, channel = 0): void {
    if (channel === 0) this.#config?.onNothing(requestId);
    else this.#at(channel)?.onConfigNothing(requestId);
  }

  onTime(reading: NativeReading, requestId: string, channel = 0): void {
    if (channel === 0) this.#time?.onTime(reading, requestId);
    else this.#at(channel)?.onTime(reading, requestId);
  }

  onTimeRefused(errno: number, detail: string, requestId: string, channel = 0): void {
    if (channel !== 0) {
      this.#at(channel)?.onTimeRefused(errno, detail, requestId);
      return;
    }
    const error = IotkitError.fromErrno(errno, detail);
    if (this.#time?.onRefused(error, requestId) !== true) this.#device.emitRefused(error);
  }

  onGatewayAnswer(...answer: Parameters<DeviceListener['onGatewayAnswer']>): void {
    this.#gateway?.onAnswer(...answer);
  }

  onSubDevice(...event: Parameters<DeviceListener['onSubDevice']>): void {
    this.#gateway?.onSubDevice(...event);
  }

  onClosed(): void {
    if (this.#ota !== undefined) this.line.otas.delete(this.#ota);
    this.#messaging?.onClosed();
    this.#gateway?.onClosed();
    this.#extras = withoutUse(this.#extras);
    this.#device.onClosed();
  }

  /** Who hears what the channel of a sub-device reports; undefined: it has gone. */
  #at(channel: number): ChannelListener | undefined {
    return this.#gateway?.at(channel);
  }

  #refused(error: IotkitError, requestId: string): void {
    this.#device.onRefused(error);
    this.ota.onRefused(error, requestId);
  }

  get #connection(): NativeDevice {
    if (this.#native === undefined) throw new IotkitError('ERR_INTERNAL', 'not open yet');
    return this.#native;
  }

  get #clockWatch(): ClockWatch {
    this.#clock ??= new ClockWatch((wrong) => this.#device.listeners.emit('clock', wrong));
    return this.#clock;
  }

  #askForTime(): void {
    this.#clock?.connected();
    this.#time?.onConnected();
    if (this.#extras.setCertificateTime === undefined) return;
    this.time.askByItself().catch((error: unknown) => {
      if (this.#closing === undefined && IotkitError.is(error)) this.#device.emitRefused(error);
    });
  }

  #openGateway(): Gateway<S> {
    const device = this.#device;
    if (this.#extras.line !== undefined) {
      throw new IotkitError('ERR_UNSUPPORTED', 'a sub-device has no sub-devices');
    }
    if (!('askGateway' in this.#connection)) {
      throw new IotkitError('ERR_UNSUPPORTED', 'sub-devices need connect() or open()');
    }
    const { Gateway: Class }: typeof GatewayModule = require('../gateway/gateway');
    const gateway = new Class<S>(
      {
        holdWhile: (operation) => device.holdWhile(operation),
        holdFor: (count) => device.holdFor(count),
        openSub: (names, openNative) => device.openSub(names, openNative),
      },
      this.#connection as NativeGateway,
    );
    if (this.#isConnected) gateway.onConnected(this.#connects);
    if (this.#closing !== undefined) void gateway.shutdown(this.#closing);
    return gateway;
  }
}
