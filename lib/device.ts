import { inspect } from 'node:util';
import { abortSignal, options as checkOptions } from './arguments';
import type { NativeDevice, NativeDeviceOptions, NativeEvent } from './binding';
import { publish } from './diagnostics';
import { IotkitError } from './errors';
import { Feed } from './feed';
import { native, unwrap } from './native';
import type { VersionRules } from './options/verify';
import { Ota } from './ota';

/**
 * - `connecting`: name resolution, TCP, TLS or sign-in are under way
 * - `connected`
 * - `waiting`: dropped or refused; connects again by itself after a back-off
 * - `closing`: {@link Device.close} was called
 * - `closed`: final
 */
export type DeviceState = 'connecting' | 'connected' | 'waiting' | 'closing' | 'closed';

/** A change of a device's connection. */
export interface StateChange {
  readonly state: DeviceState;
  /**
   * Why the connection was lost or could not be made, until it is there again; undefined where it
   * was asked for.
   */
  readonly error: IotkitError | undefined;
}

export interface StatesOptions {
  /** Ends the iteration by throwing its reason. */
  readonly signal?: AbortSignal;
}

const stateNames: readonly DeviceState[] = [
  'connecting',
  'connecting',
  'connected',
  'waiting',
  'closed',
];

/** A feed of states and the change it has not yet handed out. */
interface StateView {
  pending: StateChange | undefined;
  readonly feed: Feed<StateChange>;
}

/**
 * A device on the platform: one MQTT connection that restores itself. Made by {@link connect}.
 *
 * A connected device keeps the process alive, like a socket; {@link Device.unref} changes that.
 */
export class Device {
  /** Version reports, upgrades and progress. */
  readonly ota: Ota;
  readonly productKey: string;
  readonly deviceName: string;

  readonly #native: NativeDevice;
  readonly #views = new Set<StateView>();
  readonly #closed: Promise<void>;
  #resolveClosed: () => void = () => {};
  #ended: Promise<void> = Promise.resolve();
  #change: StateChange = { state: 'connecting', error: undefined };
  #referenced = true;
  #operations = 0;

  /** @internal Opens it; throws what {@link IotkitError} the options cause. */
  constructor(options: NativeDeviceOptions, rules: VersionRules) {
    this.productKey = options.productKey;
    this.deviceName = options.deviceName;
    this.#closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.#native = unwrap(native.openDevice(options, (...event) => this.#onEvent(event)));
    this.ota = new Ota(this, this.#native, rules);
  }

  /** The present state of the connection. */
  get state(): DeviceState {
    return this.#change.state;
  }

  /**
   * The state now and each change after it, until `closed`, which is the last. A slow consumer sees
   * the latest only.
   *
   * @throws InvalidArgument
   */
  states(options?: StatesOptions): AsyncIterableIterator<StateChange> {
    const { signal } = checkOptions('options', options, ['signal']);
    const view: StateView = {
      pending: this.#change,
      feed: new Feed<StateChange>({
        take: () => {
          const change = view.pending;
          view.pending = undefined;
          return change;
        },
        detach: () => this.#views.delete(view),
        signal: abortSignal('signal', signal),
      }),
    };
    this.#views.add(view);
    if (this.state === 'closed') view.feed.end();
    return view.feed;
  }

  /** Lets the connection keep the process alive (the default). Returns the device. */
  ref(): this {
    this.#referenced = true;
    this.#hold();
    return this;
  }

  /**
   * The connection alone no longer keeps the process alive; running operations do. Returns the
   * device.
   */
  unref(): this {
    this.#referenced = false;
    this.#hold();
    return this;
  }

  /**
   * Sends what is queued, then DISCONNECT, and closes the connection. Downloads that run are
   * cancelled and what waits is rejected with `ERR_CLOSED`. Resolves when the connection is gone,
   * at most 2 s later. May be called again.
   */
  async close(): Promise<void> {
    if (this.state !== 'closing' && this.state !== 'closed') {
      this.#enter({ state: 'closing', error: undefined });
      this.#ended = this.ota.shutdown(new IotkitError('ERR_CLOSED', 'the device was closed'));
      this.#native.close();
    }
    await this.#closed;
    await this.#ended;
  }

  /** As {@link Device.close}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @internal Not declared, so that users need no types of Node's. */
  [inspect.custom](): string {
    return `Device { ${this.productKey}/${this.deviceName}, ${this.state} }`;
  }

  /** @internal Keeps the process alive until `operation` has settled. */
  async holdWhile<T>(operation: Promise<T>): Promise<T> {
    this.#operations += 1;
    this.#hold();
    try {
      return await operation;
    } finally {
      this.#operations -= 1;
      this.#hold();
    }
  }

  #hold(): void {
    if (this.state === 'closing' || this.state === 'closed') return;
    if (this.#referenced || this.#operations > 0) this.#native.ref();
    else this.#native.unref();
  }

  #onEvent(event: NativeEvent): void {
    switch (event[0]) {
      case 1:
        this.#onState(event[1], event[2], event[3], event[4]);
        break;
      case 2:
        this.ota.onPublished(event[1], event[2], event[3]);
        break;
      case 3:
        this.ota.onUpgrade(event[1]);
        break;
      case 4:
        this.ota.onRefused(IotkitError.fromErrno(event[1], event[2]), event[3]);
        break;
      case 5:
        this.ota.onNothing(event[1]);
        break;
      case 6:
        this.#enter({ state: 'closed', error: undefined });
        this.#resolveClosed();
    }
  }

  #onState(index: number, errno: number, detail: string, connects: number): void {
    if (this.state === 'closing' || this.state === 'closed') return;
    const error = errno === 0 ? undefined : IotkitError.fromErrno(errno, detail);
    const state = stateNames[index] ?? 'connecting';
    // A client that has given up is of no more use; close() tells the end.
    if (state === 'closed') {
      void this.close();
      return;
    }
    this.#enter({ state, error });
    if (state === 'connected') this.ota.onConnected(connects);
  }

  #enter(change: StateChange): void {
    this.#change = change;
    for (const view of this.#views) {
      view.pending = change;
      if (change.state === 'closed') {
        view.feed.end();
      } else {
        view.feed.wake();
      }
    }
    publish('state', { device: this, ...change });
  }
}
