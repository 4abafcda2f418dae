// Tested by test/unit/gateway/sub-devices.test.ts and test/integration/gateway.test.ts
/** The sub-devices that a program wants logged in, and what the platform says about them. */
import type {
  ChannelListener,
  DeviceListener,
  NativeDevice,
  NativeGateway,
  NativeSubDevice,
  subDeviceEvents,
} from '../addon/binding';
import { IotkitError } from '../base/errors';
import { whenAborted } from '../base/signals';
import type { CheckedWait, SubDeviceName } from './arguments';
import { SubConnection, type SubConnectionHost } from './sub-connection';

/** What a gateway needs of a sub-device: see {@link SubDevice}. */
export interface SubDeviceHandle extends SubDeviceName {
  /** Logs it out. */
  close(): Promise<void>;
  /** Resolves when it is logged out. */
  readonly closed: Promise<unknown>;
}

/** @internal What a gateway needs of its device. */
export interface GatewayHost<S> {
  /** Keeps the process alive until `operation` has settled. */
  holdWhile<T>(operation: Promise<T>): Promise<T>;
  holdFor(count: 1 | -1): void;
  /** Makes a device over the connection that it opens. */
  openSub(names: SubDeviceName, openNative: (listener: DeviceListener) => NativeDevice): S;
}

/** @internal What has happened to a sub-device, as the addon says it. */
export type SubDeviceEvent = Exclude<(typeof subDeviceEvents)[number], 'permit'>;

interface Entry<S> {
  readonly connection: SubConnection;
  readonly device: S;
}

/** @internal */
export class SubDevices<S extends SubDeviceHandle> implements SubConnectionHost {
  readonly native: NativeGateway;
  readonly #device: GatewayHost<S>;
  readonly #all = new Map<string, Entry<S>>();
  readonly #channels = new Map<number, ChannelListener>();
  #lastChannel = 0;
  #connects = 0;
  #isConnected = false;
  #isClosing = false;
  /** Those that are logged out in one message. */
  #leaving: NativeSubDevice[] | undefined;

  constructor(device: GatewayHost<S>, native: NativeGateway) {
    this.#device = device;
    this.native = native;
  }

  get isClosing(): boolean {
    return this.#isClosing;
  }

  all(): S[] {
    return [...this.#all.values()].map(({ device }) => device);
  }

  get(name: SubDeviceName): S | undefined {
    return this.#all.get(keyOf(name))?.device;
  }

  /** Who hears what a channel reports. */
  at(channel: number): ChannelListener | undefined {
    return this.#channels.get(channel);
  }

  /** What became of each, in their order. Throws what keeps all of them from being tried. */
  async login(
    identities: readonly NativeSubDevice[],
    { timeoutMs, signal }: CheckedWait,
  ): Promise<PromiseSettledResult<S>[]> {
    const limit = new AbortController();
    const late = new IotkitError('ERR_TIMEOUT', `not logged in within ${timeoutMs} ms`);
    const timer = setTimeout(() => limit.abort(late), timeoutMs);
    const stop = whenAborted(signal, (reason) => limit.abort(reason));
    try {
      await this.#untilEnded(identities, limit.signal);
      if (limit.signal.aborted) return identities.map(() => rejected(limit.signal.reason));
      return await this.#loginNow(identities, limit.signal);
    } finally {
      clearTimeout(timer);
      stop();
    }
  }

  /** Resolves when all of them are logged out; those that are not known are left out. */
  async logout(names: readonly SubDeviceName[]): Promise<void> {
    await this.#close(names.flatMap((name) => this.#all.get(keyOf(name)) ?? []));
  }

  /** What has happened to one. `connects`: of the connection in which it has. */
  onEvent(
    name: SubDeviceName,
    event: SubDeviceEvent,
    error: IotkitError | undefined,
    connects: number,
  ): void {
    const connection = this.#all.get(keyOf(name))?.connection;
    const reason = error ?? new IotkitError('ERR_NOT_CONNECTED', keyOf(name));
    switch (event) {
      case 'loggedIn':
        if (this.#isConnected && connects === this.#connects) connection?.loggedIn();
        break;
      case 'loggedOut':
        connection?.loggedOut();
        break;
      case 'refused':
      case 'kicked':
        connection?.out(reason, true);
        break;
      case 'disabled':
        connection?.out(new IotkitError('ERR_SUBDEVICE_DISABLED', keyOf(name)), true);
        break;
      case 'enabled':
        connection?.entering();
        break;
      case 'deleted':
        connection?.deleted(new IotkitError('ERR_SUBDEVICE_UNKNOWN', keyOf(name)));
        break;
    }
  }

  onConnected(connects: number): void {
    if (connects !== this.#connects) this.onDisconnected();
    this.#isConnected = true;
    this.#connects = connects;
  }

  /** The platform has logged all of them out; the addon logs them in again. */
  onDisconnected(): void {
    this.#isConnected = false;
    for (const { connection } of [...this.#all.values()]) {
      const { deviceName } = connection;
      connection.out(
        new IotkitError('ERR_NOT_CONNECTED', `the gateway of ${deviceName} is not connected`),
        false,
      );
    }
  }

  async shutdown(): Promise<void> {
    this.#isClosing = true;
    await Promise.all(this.all().map((device) => device.close()));
  }

  onClosed(): void {
    this.#isClosing = true;
    for (const { connection } of [...this.#all.values()]) connection.gatewayClosed();
  }

  /* ---- for its connections ---- */

  openChannel(listener: DeviceListener): number {
    this.#lastChannel += 1;
    this.#channels.set(this.#lastChannel, listener);
    return this.#lastChannel;
  }

  closeChannel(channel: number): void {
    this.#channels.delete(channel);
    if (!this.#isClosing) this.native.closeChannel(channel);
  }

  leave(names: NativeSubDevice): void {
    if (this.#leaving === undefined) this.native.logout([names]);
    else this.#leaving.push(names);
  }

  onEnd(connection: SubConnection): void {
    const key = keyOf(connection);
    if (this.#all.get(key)?.connection === connection) this.#all.delete(key);
  }

  holdFor(count: 1 | -1): void {
    this.#device.holdFor(count);
  }

  #want(identity: NativeSubDevice): { readonly entry: Entry<S>; readonly isNew: boolean } {
    const key = keyOf(identity);
    const known = this.#all.get(key);
    if (known !== undefined) return { entry: known, isNew: false };
    const { productKey, deviceName } = identity;
    let connection: SubConnection | undefined;
    const device = this.#device.openSub({ productKey, deviceName }, (listener) => {
      connection = new SubConnection(identity, this, listener);
      return connection;
    });
    const entry = { connection: connection as unknown as SubConnection, device };
    this.#all.set(key, entry);
    return { entry, isNew: true };
  }

  /**
   * One that is being logged out at this moment is there again afterwards: waits until there is none, at
   * most until `signal` aborts. While it waits for one, the program may close another.
   */
  async #untilEnded(names: readonly NativeSubDevice[], signal: AbortSignal): Promise<void> {
    const ending = (): Promise<unknown>[] =>
      names.flatMap((name) => {
        const entry = this.#all.get(keyOf(name));
        return entry?.connection.isEnding ? [entry.device.closed] : [];
      });
    const aborted = new Promise<void>((resolve) => whenAborted(signal, () => resolve()));
    for (let all = ending(); all.length > 0 && !signal.aborted; all = ending()) {
      await Promise.race([Promise.all(all), aborted]);
    }
  }

  async #loginNow(
    identities: readonly NativeSubDevice[],
    signal: AbortSignal,
  ): Promise<PromiseSettledResult<S>[]> {
    const entries = identities.map((identity) => this.#want(identity));
    const fresh = new Set(entries.filter(({ isNew }) => isNew).map(({ entry }) => entry));
    const rc = this.native.login(identities);
    if (rc < 0) {
      await this.#close([...fresh]);
      throw IotkitError.fromErrno(rc);
    }
    for (const { entry, isNew } of entries) if (!isNew) entry.connection.entering();
    const waits = entries.map(({ entry }) => entry.connection.whenLoggedIn());
    const stop = whenAborted(signal, (reason) => {
      for (const { end } of waits) end(reason);
    });
    const outcomes = await Promise.allSettled(waits.map(({ promise }) => promise));
    stop();
    const failed = entries.filter((_, i) => outcomes[i]?.status === 'rejected');
    await this.#close(failed.map(({ entry }) => entry).filter((entry) => fresh.has(entry)));
    return outcomes.map((outcome, i) =>
      outcome.status === 'rejected'
        ? outcome
        : { status: 'fulfilled', value: (entries[i] as { entry: Entry<S> }).entry.device },
    );
  }

  /** Closes them, and logs them out in as few messages as can be. */
  async #close(entries: readonly Entry<S>[]): Promise<void> {
    const leaving: NativeSubDevice[] = [];
    this.#leaving = leaving;
    const closed = entries.map(({ device }) => device.close());
    this.#leaving = undefined;
    if (leaving.length > 0 && !this.#isClosing) this.native.logout(leaving);
    await Promise.all(closed);
  }
}

function keyOf({ productKey, deviceName }: SubDeviceName): string {
  return `${productKey}/${deviceName}`;
}

function rejected(reason: unknown): PromiseRejectedResult {
  return { status: 'rejected', reason };
}
