// gateways/: sub-devices: which belong to which gateway (topology.ts), which are logged in
// (sessions.ts), what gateways ask for (requests.ts), and the operator's side (here). Knows no
// broker: that asks who carries whom. Imports base, store, faults, types, devices, events, protocol,
// identities.

import type { Clock } from '../base/clock';
import { invalid, messageOf, PlatformError } from '../base/errors';
import type { Devices } from '../devices/devices';
import { checkDeviceKey, checkProductKey, deviceId } from '../devices/names';
import type { Products } from '../devices/products';
import type { Events } from '../events/events';
import type { Faults } from '../faults/faults';
import type { Registrations } from '../identities/registration';
import type { Carriage } from '../protocol/broker';
import type { Connections } from '../protocol/connections';
import {
  CHANGE,
  CODE,
  changePayload,
  type GatewayRequest,
  gatewayReply,
  kickPayload,
  namesOf,
  parseGatewayRequest,
  switchPayload,
} from '../protocol/gateway-messages';
import {
  type GatewayKind,
  kickTopic,
  switchTopic,
  topologyChangeTopic,
} from '../protocol/gateway-topics';
import { BadMessage } from '../protocol/messages';
import type { Store } from '../store/store';
import type { DeviceKey } from '../types/device';
import type { SubDevice } from '../types/gateway';
import { type GatewayProposal, Proposals } from './proposals';
import { GatewayRefusal, GatewayRequests } from './requests';
import { type SessionListener, Sessions } from './sessions';
import { Topology } from './topology';

interface Dependencies {
  readonly store: Store;
  readonly clock: Clock;
  readonly events: Events;
  readonly faults: Faults;
  readonly devices: Devices;
  readonly products: Products;
  readonly registrations: Registrations;
  readonly connections: Connections;
  readonly maxSubDevices: number;
  /** Aborted when the platform closes. */
  readonly closing: AbortSignal;
}

const REASONS: Readonly<Record<number, string>> = {
  [CODE.elsewhere]: 'the device has connected elsewhere',
  [CODE.noSession]: 'the device has no session: log it in',
  [CODE.deleted]: 'the device is deleted',
  [CODE.disabled]: 'the device is disabled',
  [CODE.noRelation]: 'the device is no longer in the topology of this gateway',
};

/** Gateways: one connection that carries the sub-devices which are logged in through it. */
export class Gateways implements Carriage {
  readonly #deps: Dependencies;
  readonly #topology: Topology;
  readonly #sessions: Sessions;
  readonly #requests: GatewayRequests;
  readonly #proposals: Proposals;
  #nextId: number;

  constructor(deps: Dependencies) {
    this.#deps = deps;
    this.#nextId = Math.floor(deps.clock.now() / 1000);
    this.#topology = new Topology(deps.store, deps.clock);
    this.#sessions = new Sessions(deps.clock);
    this.#proposals = new Proposals({ ...deps, nextId: () => this.#newId() });
    this.#requests = new GatewayRequests({
      ...deps,
      topology: this.#topology,
      sessions: this.#sessions,
      consequences: {
        moved: (sub, from) => this.#unrelated(sub, from, CODE.noRelation),
        related: (sub, gateway, isRelated) => this.#report(sub, gateway, isRelated),
        found: (subs, gateway) =>
          deps.events.emit('sub-devices-found', { ...namesOf(gateway), devices: subs }),
        replaced: (sub) => deps.connections.evict(sub),
      },
    });
  }

  /** @internal */
  load(): Promise<void> {
    return this.#topology.load();
  }

  /** @internal Calls the listener as sub-devices log in and out. */
  listen(listener: SessionListener): void {
    this.#sessions.listen(listener);
  }

  /** The sub-devices of a gateway, in the order in which they were added. */
  topology(gateway: DeviceKey): SubDevice[] {
    return this.#topology.of(gateway).map(({ gateway: _, ...sub }) => ({
      ...sub,
      loggedIn: this.#sessions.isOpen(sub, gateway),
    }));
  }

  /** The gateway that a device belongs to. */
  gatewayOf(sub: DeviceKey): DeviceKey | undefined {
    return this.#topology.gatewayOf(sub);
  }

  /**
   * Makes devices sub-devices of a gateway, and tells it. Those of another gateway are moved.
   * Rejects with ERR_DEVICE_UNKNOWN, ERR_INVALID_ARGUMENT, ERR_STATE_FULL, ERR_STATE.
   */
  async add(gateway: DeviceKey, devices: readonly DeviceKey[]): Promise<void> {
    const { maxSubDevices } = this.#deps;
    this.#expect(gateway);
    const subs = this.#checked(devices).filter((sub) => !this.#topology.isOf(sub, gateway));
    if (subs.some((sub) => deviceId(sub) === deviceId(gateway))) {
      throw invalid('a gateway cannot be its own sub-device');
    }
    if (this.#topology.count(gateway) + subs.length > maxSubDevices) {
      throw invalid(`a gateway has at most ${maxSubDevices} sub-devices`);
    }
    for (const sub of subs) this.#expect(sub);
    const before = subs.map((sub) => this.#topology.gatewayOf(sub));
    await this.#topology.commitAdded(subs, namesOf(gateway));
    for (const [index, from] of before.entries()) {
      if (from !== undefined) this.#unrelated(subs[index] as DeviceKey, from, CODE.noRelation);
    }
    for (const sub of subs) this.#report(sub, gateway, true);
    this.#tellChange(gateway, CHANGE.created, subs);
  }

  /**
   * Takes sub-devices from a gateway, ends their sessions and tells it. Rejects with
   * ERR_RELATION_UNKNOWN, ERR_STATE_FULL, ERR_STATE.
   */
  async remove(gateway: DeviceKey, devices: readonly DeviceKey[]): Promise<void> {
    const subs = this.#checked(devices);
    const stranger = subs.find((sub) => !this.#topology.isOf(sub, gateway));
    if (stranger !== undefined) {
      const text = `${deviceId(stranger)} is no sub-device of ${deviceId(gateway)}`;
      throw new PlatformError('ERR_RELATION_UNKNOWN', text);
    }
    await this.#topology.commitRemoved(subs);
    for (const sub of subs) this.#unrelated(sub, gateway, CODE.noRelation);
  }

  /**
   * Asks a gateway to add devices itself, and awaits its answer, which only says that it was asked.
   * Rejects with ERR_DEVICE_UNKNOWN, ERR_INVALID_ARGUMENT, ERR_CLOSED.
   */
  async propose(
    gateway: DeviceKey,
    devices: readonly DeviceKey[],
    { timeoutSeconds = 30 }: { readonly timeoutSeconds?: number } = {},
  ): Promise<GatewayProposal> {
    checkSeconds('timeoutSeconds', timeoutSeconds);
    this.#expect(gateway);
    const subs = this.#checked(devices);
    return this.#proposals.propose(gateway, subs, timeoutSeconds * 1000);
  }

  /**
   * Lets devices of a product join a gateway for so many seconds (joining mode), and awaits its answer,
   * which only says that it was asked: what it finds comes as `sub-devices-found`. Rejects as `propose`
   * does.
   */
  async permit(
    gateway: DeviceKey,
    productKey: string,
    {
      seconds = 60,
      timeoutSeconds = 30,
    }: { readonly seconds?: number; readonly timeoutSeconds?: number } = {},
  ): Promise<GatewayProposal> {
    checkProductKey(productKey);
    checkSeconds('seconds', seconds);
    checkSeconds('timeoutSeconds', timeoutSeconds);
    this.#expect(gateway);
    return this.#proposals.permit(gateway, productKey, seconds, timeoutSeconds * 1000);
  }

  /** @internal */
  carrierOf(sub: DeviceKey): DeviceKey | undefined {
    return this.#sessions.carrierOf(sub);
  }

  /** @internal */
  carriedBy(gateway: DeviceKey): DeviceKey[] {
    return this.#sessions.carriedBy(gateway);
  }

  /** @internal */
  strayed(gateway: DeviceKey, owner: DeviceKey): boolean {
    if (!this.#topology.isOf(owner, gateway)) return false;
    this.#kick(gateway, owner, CODE.noSession);
    return true;
  }

  /** @internal A device has a connection of its own. */
  arrived(key: DeviceKey): void {
    this.#end(key, CODE.elsewhere);
  }

  /** @internal A device's own connection is gone. */
  departed(key: DeviceKey): void {
    this.#sessions.closeAll(key);
  }

  /** @internal A device is forgotten: as a sub-device, and as a gateway. */
  removed(key: DeviceKey): void {
    const gateway = this.#topology.gatewayOf(key);
    if (gateway !== undefined) {
      this.#sendSwitch(key, 'delete');
      this.#topology.remove(key);
      this.#unrelated(key, gateway, CODE.deleted);
    }
    for (const sub of this.#topology.of(key)) {
      this.#topology.remove(sub);
      this.#unrelated(namesOf(sub), key, CODE.noRelation);
    }
  }

  /** @internal A device was disabled or enabled again; it is its gateway that hears of the latter. */
  switched(key: DeviceKey, isDisabled: boolean): void {
    if (isDisabled) {
      this.#sendSwitch(key, 'disable');
      this.#end(key, CODE.disabled);
    }
    const gateway = this.#topology.gatewayOf(key);
    const status = isDisabled ? CHANGE.disabled : CHANGE.enabled;
    if (gateway !== undefined) this.#tellChange(gateway, status, [key]);
  }

  /** @internal A device is as if it had never signed in. */
  reset(key: DeviceKey): void {
    this.#end(key, CODE.noSession);
  }

  /** @internal A message of a gateway. Throws a BadMessage for an answer to nothing. */
  requested(kind: GatewayKind, gateway: DeviceKey, topic: string, payload: Buffer): void {
    if (kind === 'proposal-reply') this.#proposals.answered(gateway, payload);
    else if (kind !== 'switch-reply') void this.#answer(kind, gateway, topic, payload);
  }

  async #answer(
    kind: GatewayKind,
    gateway: DeviceKey,
    topic: string,
    payload: Buffer,
  ): Promise<void> {
    let request: GatewayRequest | undefined;
    try {
      request = parseGatewayRequest(payload);
      this.#strike(kind, gateway);
      const data = await this.#requests.answer(kind, gateway, request);
      this.#reply(kind, gateway, topic, request, CODE.success, 'success', data ?? {});
    } catch (error) {
      if (error instanceof Lost) return;
      const id = error instanceof BadMessage ? error.id : undefined;
      const to = request ?? { id: id ?? '', params: {}, wantsReply: true };
      const refusal = refusalOf(error);
      const culprits = kind.startsWith('batch-') ? refusal.culprits : [];
      const [culprit] = refusal.culprits;
      const data = culprits.length > 0 ? culprits : (culprit ?? {});
      this.#reply(kind, gateway, topic, to, refusal.code, refusal.message, data);
    }
  }

  /** Throws what was asked for. */
  #strike(kind: GatewayKind, { deviceName }: DeviceKey): void {
    const [fault] = this.#deps.faults.strike(['gateway-lost', 'gateway-error'], {
      deviceName,
      request: kind,
    });
    if (fault?.kind === 'gateway-lost') throw new Lost();
    if (fault?.kind === 'gateway-error') {
      throw new GatewayRefusal(fault.code, 'refused on request (fault)');
    }
  }

  #reply(
    kind: GatewayKind,
    gateway: DeviceKey,
    topic: string,
    { id, wantsReply }: GatewayRequest,
    code: number,
    message: string,
    data: object,
  ): void {
    const { events, connections } = this.#deps;
    events.emit('gateway-request', { ...namesOf(gateway), request: kind, code, reason: message });
    if (!wantsReply) return;
    connections.send(`${topic}_reply`, gatewayReply(id, code, message, data), 0);
  }

  /** Ends the session of a sub-device, and says why. */
  #end(sub: DeviceKey, code: number): void {
    const gateway = this.#sessions.close(sub);
    if (gateway !== undefined) this.#kick(gateway, sub, code);
  }

  /** The relation is gone already. */
  #unrelated(sub: DeviceKey, gateway: DeviceKey, code: number): void {
    this.#end(sub, code);
    this.#report(sub, gateway, false);
    this.#tellChange(gateway, CHANGE.deleted, [sub]);
  }

  #kick(gateway: DeviceKey, sub: DeviceKey, code: number): void {
    const payload = kickPayload(this.#newId(), code, REASONS[code] ?? '', sub);
    this.#deps.connections.send(kickTopic(gateway), payload, 0);
  }

  #sendSwitch(sub: DeviceKey, action: 'disable' | 'delete'): void {
    if (this.#sessions.carrierOf(sub) === undefined) return;
    const payload = switchPayload(this.#newId(), action);
    this.#deps.connections.send(switchTopic(sub, action), payload, 0);
  }

  #tellChange(gateway: DeviceKey, status: number, subs: readonly DeviceKey[]): void {
    if (subs.length === 0) return;
    const payload = changePayload(this.#newId(), status, subs);
    this.#deps.connections.send(topologyChangeTopic(gateway), payload, 1);
  }

  #report(sub: DeviceKey, gateway: DeviceKey, isRelated: boolean): void {
    const change = { gateway: namesOf(gateway), isRelated };
    this.#deps.events.emit('topology-changed', { ...namesOf(sub), ...change });
  }

  #checked(devices: readonly DeviceKey[]): DeviceKey[] {
    if (!Array.isArray(devices) || devices.length === 0) throw invalid('devices must be a list');
    return devices.map(checkDeviceKey);
  }

  #expect(key: DeviceKey): void {
    if (this.#deps.devices.get(key) !== undefined) return;
    throw new PlatformError('ERR_DEVICE_UNKNOWN', `there is no device ${deviceId(key)}`);
  }

  #newId(): string {
    return String(this.#nextId++);
  }
}

function checkSeconds(name: string, seconds: number): void {
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > 3600) {
    throw invalid(`${name} must be a whole number 1-3600`);
  }
}

/** A request that is to stay unanswered. */
class Lost extends Error {}

function refusalOf(error: unknown): GatewayRefusal {
  if (error instanceof GatewayRefusal) return error;
  if (error instanceof BadMessage) return new GatewayRefusal(CODE.parameters, error.message);
  return new GatewayRefusal(CODE.failed, `the platform failed: ${messageOf(error)}`);
}
