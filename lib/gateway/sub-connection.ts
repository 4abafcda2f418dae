// Tested by test/unit/gateway/sub-devices.test.ts and test/integration/gateway.test.ts
/** A sub-device's part of its gateway's connection, in the place of one of its own: what Device drives. */
import type {
  DeviceListener,
  NativeDevice,
  NativeGateway,
  NativeSubDevice,
} from '../addon/binding';
import { IotkitError } from '../base/errors';

/** `enum iotkit_mqtt_state`. */
const states = { connecting: 1, connected: 2, waiting: 3, closed: 4 } as const;

/** @internal What it needs of those who carry it. */
export interface SubConnectionHost {
  readonly native: NativeGateway;
  /** The gateway is closing: nothing is logged out any more. */
  readonly isClosing: boolean;
  /** A new id of a channel, whose reports go to `listener` from now on. */
  openChannel(listener: DeviceListener): number;
  closeChannel(channel: number): void;
  /** Logs it out. */
  leave(names: NativeSubDevice): void;
  /** It has ended. */
  onEnd(connection: SubConnection): void;
  holdFor(count: 1 | -1): void;
}

/** Somebody who waits for the login. */
interface Waiter {
  readonly resolve: () => void;
  readonly reject: (reason: unknown) => void;
}

const UNSUPPORTED = new IotkitError('ERR_UNSUPPORTED').errno;
const NOT_CONNECTED = new IotkitError('ERR_NOT_CONNECTED').errno;

/** Of `/sys/{productKey}/{deviceName}/thing/`: as in deps/iotkit/src/channel/subchannels.c. */
const OWN_TOPICS = ['disable', 'enable', 'delete', 'ota/firmware/get_reply'] as const;

/** @internal */
export class SubConnection implements NativeDevice {
  readonly productKey: string;
  readonly deviceName: string;
  /** Subscriptions are not restored by the connection: they may be asked for only after the login. */
  readonly restores = false;
  readonly #host: SubConnectionHost;
  readonly #listener: DeviceListener;
  #state: 'out' | 'in' | 'closing' | 'closed' = 'out';
  /** How often it was logged in. */
  #logins = 0;
  /** 0: it has none yet. */
  #channel = 0;
  #isHeld = false;
  /** The filters of the subscriptions whose messages come; undefined: there was none. */
  #listening: Map<number, string> | undefined;
  #waiters: Set<Waiter> | undefined;

  constructor(
    { productKey, deviceName }: NativeSubDevice,
    host: SubConnectionHost,
    listener: DeviceListener,
  ) {
    this.productKey = productKey;
    this.deviceName = deviceName;
    this.#host = host;
    this.#listener = listener;
  }

  get isEnding(): boolean {
    return this.#state === 'closing' || this.#state === 'closed';
  }

  /** Resolves when it is logged in; rejects when it is refused, or with what `end` is called with. */
  whenLoggedIn(): { readonly promise: Promise<void>; readonly end: (reason: unknown) => void } {
    let end: (reason: unknown) => void = () => {};
    const promise = new Promise<void>((resolve, reject) => {
      if (this.#state === 'in') {
        resolve();
        return;
      }
      const waiter = { resolve, reject };
      this.#waiters ??= new Set();
      this.#waiters.add(waiter);
      end = (reason) => {
        this.#waiters?.delete(waiter);
        reject(reason);
      };
    });
    return { promise, end: (reason) => end(reason) };
  }

  /* ---- what its gateway tells ---- */

  loggedIn(): void {
    if (this.isEnding) return;
    // The platform had lost its session, and what it has subscribed.
    if (this.#state === 'in') this.out(new IotkitError('ERR_NOT_CONNECTED'), false);
    this.#state = 'in';
    this.#logins += 1;
    this.#enter('connected');
    for (const { resolve } of this.#takeWaiters()) resolve();
  }

  /** It is not logged in, and why; `final`: it will not be by itself, in this connection. */
  out(error: IotkitError, isFinal: boolean): void {
    if (this.#state === 'closed') return;
    if (this.#state === 'closing') {
      this.#end();
      return;
    }
    const wasIn = this.#state === 'in';
    this.#state = 'out';
    if (isFinal || wasIn) this.#enter('waiting', error);
    if (isFinal) for (const { reject } of this.#takeWaiters()) reject(error);
  }

  /** It is being logged in again. */
  entering(): void {
    if (this.#state === 'out') this.#enter('connecting');
  }

  /** It is no sub-device any more, which ends it. */
  deleted(error: IotkitError): void {
    this.out(error, true);
    if (!this.isEnding) this.#enter('closed', error);
  }

  /** As was asked for, or because the platform has lost its session: then it is logged in again. */
  loggedOut(): void {
    this.out(new IotkitError('ERR_NOT_CONNECTED'), false);
  }

  /** The connection of the gateway is gone for good. */
  gatewayClosed(): void {
    if (this.#state !== 'closed') this.#end();
  }

  /* ---- what Device asks for ---- */

  reportVersion(version: string, module: string): number {
    const channel = this.#open();
    return channel < 0 ? channel : this.#host.native.reportVersion(version, module, channel);
  }

  reportProgress(step: number, desc: string, module: string): number {
    const channel = this.#open();
    return channel < 0 ? channel : this.#host.native.reportProgress(step, desc, module, channel);
  }

  // What is asked while it is logged out waits for its login: the platform would not answer.

  request(module: string): string | number {
    const channel = this.#openToAsk();
    return channel < 0 ? channel : this.#host.native.request(module, channel);
  }

  requestConfig(): string | number {
    const channel = this.#openToAsk();
    return channel < 0 ? channel : this.#host.native.requestConfig(channel);
  }

  answerConfig(pushId: string, code: number, message: string): number {
    const channel = this.#open();
    return channel < 0 ? channel : this.#host.native.answerConfig(pushId, code, message, channel);
  }

  requestTime(): string | number {
    const channel = this.#openToAsk();
    return channel < 0 ? channel : this.#host.native.requestTime(channel);
  }

  publish(topic: string, payload: string | Uint8Array, qos: number, retain: boolean): number {
    if (this.#state === 'out') return NOT_CONNECTED;
    return this.#host.native.publish(topic, payload, qos, retain);
  }

  /** Listens once, and asks the broker after each login. 0: it is not logged in just now. */
  subscribe(id: number, filter: string, qos: number): number {
    const { native } = this.#host;
    this.#listening ??= new Map();
    if (!this.#listening.has(id)) {
      const rc = native.listen(id, filter);
      if (rc < 0) return rc;
      this.#listening.set(id, filter);
    }
    const rc = native.ask(filter, qos);
    return rc === NOT_CONNECTED ? 0 : rc;
  }

  unsubscribe(id: number): void {
    const filter = this.#listening?.get(id);
    if (filter === undefined) return;
    this.#listening?.delete(id);
    this.#host.native.unsubscribe(id);
    // The gateway hears it by a wildcard, and the broker has just been told to forget it.
    if (this.#state === 'in' && this.#isOwn(filter)) this.#host.native.ask(filter, 1);
  }

  holdReading(held: boolean): void {
    this.#host.native.holdReading(held);
  }

  setBandwidthLimit(): void {
    throw IotkitError.fromErrno(
      UNSUPPORTED,
      'a sub-device has the limit of its gateway: gateway.ota.setBandwidthLimit()',
    );
  }

  ref(): void {
    if (this.#isHeld) return;
    this.#isHeld = true;
    this.#host.holdFor(1);
  }

  unref(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    this.#host.holdFor(-1);
  }

  /** Logs it out, and ends when that is done. */
  close(): void {
    const wasIn = this.#state === 'in';
    this.#state = 'closing';
    for (const id of this.#listening?.keys() ?? []) this.#host.native.unsubscribe(id);
    this.#listening = undefined;
    const reason = new IotkitError('ERR_CLOSED', 'the device was closed');
    for (const { reject } of this.#takeWaiters()) reject(reason);
    if (!this.#host.isClosing) this.#host.leave(this);
    if (this.#channel !== 0) this.#host.closeChannel(this.#channel);
    if (wasIn && !this.#host.isClosing) this.ref();
    else queueMicrotask(() => this.gatewayClosed());
  }

  /** Whether the gateway has asked for it at the login, for what the addon does itself. */
  #isOwn(filter: string): boolean {
    const names = `${this.productKey}/${this.deviceName}`;
    if (filter === `/ota/device/upgrade/${names}`) return true;
    return OWN_TOPICS.some((topic) => filter === `/sys/${names}/thing/${topic}`);
  }

  #end(): void {
    this.#state = 'closed';
    this.unref();
    this.#host.onEnd(this);
    this.#listener.onClosed();
  }

  /** Its channel; negative: the error. */
  #open(): number {
    if (this.#channel !== 0) return this.#channel;
    const channel = this.#host.openChannel(this.#listener);
    const { productKey, deviceName } = this;
    const rc = this.#host.native.openChannel(channel, productKey, deviceName);
    if (rc < 0) {
      this.#host.closeChannel(channel);
      return rc;
    }
    this.#channel = channel;
    return channel;
  }

  #openToAsk(): number {
    return this.#state === 'out' ? NOT_CONNECTED : this.#open();
  }

  #enter(state: keyof typeof states, error?: IotkitError): void {
    const { errno, detail } = error ?? { errno: 0, detail: '' };
    this.#listener.onState(states[state], errno, detail ?? '', this.#logins, false);
  }

  #takeWaiters(): readonly Waiter[] {
    const waiters = [...(this.#waiters ?? [])];
    this.#waiters = undefined;
    return waiters;
  }
}
