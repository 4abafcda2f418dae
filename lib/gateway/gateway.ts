// Tested by test/integration/gateway.test.ts
/**
 * This room is a gateway: the devices that have no connection of their own, and use its. gateway.ts is
 * its public face: it checks arguments and hands them on. sub-devices.ts knows those that are to be
 * logged in, sub-connection.ts is what each of them has for a connection; changes.ts hands out what
 * the platform says; arguments.ts checks. It may import base, options, addon, identity and messaging;
 * of the device it knows {@link GatewayHost}, and makes sub-devices by it. Loaded when a program
 * first uses `device.gateway`.
 */
import {
  type ChannelListener,
  gatewayRequests,
  type NativeGateway,
  type NativeSubDevice,
  subDeviceEvents,
} from '../addon/binding';
import { callback, oneOf } from '../base/arguments';
import { IotkitError } from '../base/errors';
import type { Iteration } from '../base/feed';
import { Listeners, type Subscription } from '../base/listeners';
import { Requests } from '../base/requests';
import { throwIfAborted } from '../base/signals';
import {
  type CheckedWait,
  checkIdentity,
  checkList,
  checkLogin,
  checkName,
  checkRequest,
  type GatewayRequestOptions,
  type LoginOptions,
  type SubDeviceIdentity,
  type SubDeviceName,
} from './arguments';
import {
  Changes,
  type TopologyChange,
  type TopologyChangesOptions,
  type TopologyChangeType,
} from './changes';
import { type GatewayHost, type SubDeviceHandle, SubDevices } from './sub-devices';

/** What {@link Gateway.on} hands to listeners, by event. */
export interface GatewayEventMap {
  /** The platform says something about a sub-device. */
  readonly change: TopologyChange;
  /** The owner lets sub-devices join for a while: look for them, then `reportFound()` or `addTopology()`. */
  readonly permit: JoinPermit;
}

/** For whom, and how long, a gateway is to look for new sub-devices. */
export interface JoinPermit {
  /** Devices of this product; undefined: of any. */
  readonly productKey: string | undefined;
  /** Seconds; undefined: the platform does not say. */
  readonly seconds: number | undefined;
}

/** A sub-device that the platform has registered. */
export interface RegisteredSubDevice extends SubDeviceName {
  /** What it logs in with. */
  readonly deviceSecret: string;
  /** The platform's own id of it; `''`: it gave none. */
  readonly iotId: string;
}

/** In one message, by the platform's limits. */
const PER_REQUEST = 30;
/** Of each device in an answer. */
const NAMES = 4;

const changeTypes: Readonly<Partial<Record<string, TopologyChangeType>>> = {
  created: 'created',
  deleted: 'deleted',
  disabled: 'disabled',
  enabled: 'enabled',
  kicked: 'kicked',
  addWanted: 'wanted',
};

/**
 * The sub-devices of a device: `device.gateway`. They have identities of their own at the platform and no
 * connection: the gateway logs them in, and each is then a device over its connection.
 *
 * At most 2,000. Logins go in batches of 50 at most, 200 in a second, and again by themselves after
 * each reconnect.
 */
export class Gateway<S extends SubDeviceHandle> {
  readonly #device: GatewayHost<S>;
  readonly #native: NativeGateway;
  readonly #subs: SubDevices<S>;
  readonly #requests = new Requests<readonly RegisteredSubDevice[]>();
  readonly #changes = new Changes();
  readonly #listeners = new Listeners<GatewayEventMap>();
  #connects = 0;
  #closed: IotkitError | undefined;

  /** @internal */
  constructor(device: GatewayHost<S>, native: NativeGateway) {
    this.#device = device;
    this.#native = native;
    this.#subs = new SubDevices(device, native);
  }

  /**
   * Logs a sub-device in, and resolves when the platform has accepted it. From then on it is logged in
   * again after each reconnect, until it is closed, kicked or deleted. One that is there already is the
   * same object, with what is new of its identity used for the next login. The topology must have it.
   *
   * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_SUBDEVICE_SIGN` (wrong secret),
   *   `ERR_SUBDEVICE_UNKNOWN`, `ERR_SUBDEVICE_DISABLED`, `ERR_SUBDEVICE_NOT_OURS` (the topology does not
   *   have it), `ERR_SUBDEVICE_BOUND`, `ERR_SUBDEVICE_LIMIT`, `ERR_GATEWAY_REFUSED` (another code of the
   *   platform, see `detail`), `ERR_TIMEOUT`, `ERR_CLOSED`; the signal's reason.
   *
   * @example
   * await using sensor = await device.gateway.login({ productKey, deviceName, deviceSecret });
   * await sensor.ota.reportVersion('1.0.0');
   * for await (const upgrade of sensor.ota.upgrades()) …
   */
  async login(identity: SubDeviceIdentity, options?: LoginOptions): Promise<S> {
    const [outcome] = await this.#login([checkIdentity(identity)], checkLogin(options));
    if (outcome?.status !== 'fulfilled') throw outcome?.reason;
    return outcome.value;
  }

  /**
   * Logs many in, in as few messages as the platform takes. Resolves when it is known of each what
   * became of it, in their order, as `Promise.allSettled()` does: one that is refused does not disturb
   * the others.
   *
   * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_SUBDEVICE_LIMIT`, `ERR_CLOSED`; the signal's
   *   reason, if it has aborted before. The reasons of single ones are as of {@link Gateway.login}.
   *
   * @example
   * for (const outcome of await device.gateway.loginAll(identities)) {
   *   if (outcome.status === 'rejected') console.warn(outcome.reason);
   * }
   */
  async loginAll(
    identities: readonly SubDeviceIdentity[],
    options?: LoginOptions,
  ): Promise<PromiseSettledResult<S>[]> {
    return this.#login(checkList(identities, checkIdentity), checkLogin(options));
  }

  /**
   * Logs sub-devices out, as their `close()` does, in as few messages as the platform takes. Resolves when
   * they are closed; those that are not logged in are left out.
   *
   * @param devices default: all
   * @throws {@link InvalidArgument}
   */
  async logout(devices?: readonly SubDeviceName[]): Promise<void> {
    const names = devices === undefined ? this.#subs.all() : checkList(devices, checkName);
    await this.#device.holdWhile(this.#subs.logout(names));
  }

  /** Those that are to be logged in, whether or not they are at this moment. */
  subDevices(): readonly S[] {
    return this.#subs.all();
  }

  /** The one of this name, if it is to be logged in. */
  subDevice(name: SubDeviceName): S | undefined {
    return this.#subs.get(checkName(name));
  }

  /**
   * Adds devices to the topology, 30 in a message. Where a message is refused, those of the messages
   * before it are added.
   *
   * @throws {@link InvalidArgument}; the errors of {@link Gateway.login} and `ERR_GATEWAY_THROTTLED`, with the
   *   platform's code and words as `detail`.
   */
  async addTopology(
    devices: readonly SubDeviceIdentity[],
    options?: GatewayRequestOptions,
  ): Promise<void> {
    await this.#ask('add', checkList(devices, checkIdentity), checkRequest(options));
  }

  /**
   * Takes devices out of the topology, which logs them out and closes them.
   *
   * @throws as {@link Gateway.addTopology}
   */
  async removeTopology(
    devices: readonly SubDeviceName[],
    options?: GatewayRequestOptions,
  ): Promise<void> {
    const names = checkList(devices, checkName);
    await this.#ask('delete', names, checkRequest(options));
    for (const name of names) this.#subs.onEvent(name, 'deleted', undefined, this.#connects);
  }

  /**
   * The devices that the topology has.
   *
   * @throws as {@link Gateway.addTopology}
   */
  async topology(options?: GatewayRequestOptions): Promise<SubDeviceName[]> {
    const all = await this.#ask('get', [], checkRequest(options));
    return all.map(({ productKey, deviceName }) => ({ productKey, deviceName }));
  }

  /**
   * Registers devices whose names the platform has, which brings the secrets that they log in with: for
   * products whose owner has switched dynamic registration on.
   *
   * @returns in the order of the platform's answers
   * @throws as {@link Gateway.addTopology}
   */
  async registerSubDevices(
    devices: readonly SubDeviceName[],
    options?: GatewayRequestOptions,
  ): Promise<RegisteredSubDevice[]> {
    return this.#ask('register', checkList(devices, checkName), checkRequest(options));
  }

  /**
   * Reports devices that were found, so that their owner may want them (a change `wanted`).
   *
   * @throws as {@link Gateway.addTopology}
   */
  async reportFound(
    devices: readonly SubDeviceName[],
    options?: GatewayRequestOptions,
  ): Promise<void> {
    await this.#ask('found', checkList(devices, checkName), checkRequest(options));
  }

  /**
   * What the platform says about sub-devices from now on. Each iteration gets every change; one with
   * 10,000 that nobody takes throws `ERR_QUEUE_FULL`. Ends when the device closes.
   *
   * @throws {@link InvalidArgument}
   *
   * @example
   * for await (const { type, deviceName } of device.gateway.changes()) console.log(type, deviceName);
   */
  changes(options?: TopologyChangesOptions): Iteration<TopologyChange> {
    this.#open();
    return this.#changes.open(options);
  }

  /**
   * Calls `listener` for each change or permit, until the subscription is ended or the device is closed.
   * What it throws is an uncaught exception.
   *
   * @throws {@link InvalidArgument}
   *
   * @example
   * device.gateway.on('permit', ({ productKey, seconds = 60 }) => radio.scan(productKey, seconds));
   */
  on<E extends keyof GatewayEventMap>(
    event: E,
    listener: (value: GatewayEventMap[E]) => void,
  ): Subscription {
    oneOf('event', event, ['change', 'permit']);
    callback('listener', listener);
    this.#open();
    return this.#listeners.add(event, listener);
  }

  /** @internal Who hears what the channel of a sub-device reports. */
  at(channel: number): ChannelListener | undefined {
    return this.#subs.at(channel);
  }

  /** @internal As GatewayListener says. */
  onAnswer(
    requestId: string,
    errno: number,
    code: number,
    message: string,
    names: readonly string[],
  ): void {
    const devices = devicesOf(names);
    if (errno === 0) {
      this.#requests.answered(requestId, devices);
      return;
    }
    const whose = devices.map(({ productKey, deviceName }) => ` ${productKey}/${deviceName}`);
    const words = `${code === 0 ? '' : `${code} `}${message}${whose.slice(0, 3).join()}`;
    const error = IotkitError.fromErrno(errno, words);
    // Lost with the connection: it is asked again in the next one.
    if (error.code !== 'ERR_NOT_CONNECTED') this.#requests.refused(requestId, error);
  }

  /** @internal As GatewayListener says. */
  onSubDevice(
    type: number,
    productKey: string,
    deviceName: string,
    errno: number,
    code: number,
    message: string,
    connects: number,
  ): void {
    const event = subDeviceEvents[type - 1];
    if (event === undefined) return;
    if (event === 'permit') {
      const permit = { productKey: productKey || undefined, seconds: code || undefined };
      this.#listeners.emit('permit', permit);
      return;
    }
    const name = { productKey, deviceName };
    const words = `${productKey}/${deviceName}: ${code} ${message}`;
    const error = errno === 0 ? undefined : IotkitError.fromErrno(errno, words);
    this.#subs.onEvent(name, event, error, connects);
    const change = changeTypes[event];
    if (change === undefined) return;
    this.#changes.push({ type: change, ...name });
    this.#listeners.emit('change', { type: change, ...name });
  }

  /** @internal There is a connection, maybe still the same. */
  onConnected(connects: number): void {
    this.#subs.onConnected(connects);
    if (connects === this.#connects) return;
    this.#connects = connects;
    this.#requests.connected();
  }

  /** @internal */
  onDisconnected(): void {
    this.#subs.onDisconnected();
  }

  /** @internal All that waits ends with `error`. Resolves when no download of a sub-device runs. */
  async shutdown(error: IotkitError): Promise<void> {
    this.#closed = error;
    this.#requests.close(error);
    this.#changes.close();
    await this.#subs.shutdown();
  }

  /** @internal The connection is gone. */
  onClosed(): void {
    this.#subs.onClosed();
  }

  async #login(
    identities: readonly NativeSubDevice[],
    wait: CheckedWait,
  ): Promise<PromiseSettledResult<S>[]> {
    throwIfAborted(wait.signal);
    if (this.#closed !== undefined) throw this.#closed;
    return this.#device.holdWhile(this.#subs.login(identities, wait));
  }

  async #ask(
    what: keyof typeof gatewayRequests,
    devices: readonly NativeSubDevice[],
    wait: CheckedWait,
  ): Promise<RegisteredSubDevice[]> {
    throwIfAborted(wait.signal);
    if (this.#closed !== undefined) throw this.#closed;
    return this.#device.holdWhile(this.#askInTurn(what, devices, wait));
  }

  /** One message after the other, so that the platform's rate is kept. */
  async #askInTurn(
    what: keyof typeof gatewayRequests,
    devices: readonly NativeSubDevice[],
    { timeoutMs, signal }: CheckedWait,
  ): Promise<RegisteredSubDevice[]> {
    const answers: RegisteredSubDevice[] = [];
    const end = performance.now() + timeoutMs;
    for (let i = 0; i < Math.max(devices.length, 1); i += PER_REQUEST) {
      const some = devices.slice(i, i + PER_REQUEST);
      const send = (): string | number => this.#native.askGateway(gatewayRequests[what], some);
      const left = Math.max(1, Math.ceil(end - performance.now()));
      answers.push(...(await this.#requests.ask(send, { timeoutMs: left, signal })));
    }
    return answers;
  }

  /** Subscribes the topics on which changes come. */
  #open(): void {
    if (this.#closed === undefined) this.#native.logout([]);
  }
}

function devicesOf(names: readonly string[]): RegisteredSubDevice[] {
  const devices: RegisteredSubDevice[] = [];
  for (let i = 0; i + NAMES <= names.length; i += NAMES) {
    const [productKey = '', deviceName = '', deviceSecret = '', iotId = ''] = names.slice(i);
    devices.push({ productKey, deviceName, deviceSecret, iotId });
  }
  return devices;
}
