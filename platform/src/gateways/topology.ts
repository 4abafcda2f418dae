import type { Clock } from '../base/clock';
import { deviceId } from '../devices/names';
import type { Change, Store } from '../store/store';
import type { DeviceKey } from '../types/device';

/** A sub-device and the one gateway it belongs to. */
export interface Relation extends DeviceKey {
  readonly gateway: DeviceKey;
  readonly addedAt: number;
}

/** Which sub-devices belong to which gateway. */
export class Topology {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #relations = new Map<string, Relation>();
  readonly #byGateway = new Map<string, Map<string, Relation>>();

  constructor(store: Store, clock: Clock) {
    this.#store = store;
    this.#clock = clock;
  }

  async load(): Promise<void> {
    const relations = await this.#store.load<Relation>('relation');
    for (const relation of relations.sort((a, b) => a.addedAt - b.addedAt)) this.#set(relation);
  }

  gatewayOf(sub: DeviceKey): DeviceKey | undefined {
    return this.#relations.get(deviceId(sub))?.gateway;
  }

  /** In the order in which they were added. */
  of(gateway: DeviceKey): Relation[] {
    return [...(this.#byGateway.get(deviceId(gateway))?.values() ?? [])];
  }

  count(gateway: DeviceKey): number {
    return this.#byGateway.get(deviceId(gateway))?.size ?? 0;
  }

  isOf(sub: DeviceKey, gateway: DeviceKey): boolean {
    const actual = this.gatewayOf(sub);
    return actual !== undefined && deviceId(actual) === deviceId(gateway);
  }

  /** What a gateway reports is queued. */
  add(sub: DeviceKey, gateway: DeviceKey): void {
    const relation = this.#relation(sub, gateway);
    this.#set(relation);
    this.#store.put('relation', deviceId(sub), relation);
  }

  remove(sub: DeviceKey): void {
    this.#forget(sub);
    this.#store.remove('relation', deviceId(sub));
  }

  /** What an operator changes is committed before it shows. */
  async commitAdded(subs: readonly DeviceKey[], gateway: DeviceKey): Promise<void> {
    const relations = subs.map((sub) => this.#relation(sub, gateway));
    await this.#store.commit(relations.map((record) => change(record, record)));
    for (const relation of relations) this.#set(relation);
  }

  async commitRemoved(subs: readonly DeviceKey[]): Promise<void> {
    await this.#store.commit(subs.map((sub) => change(sub)));
    for (const sub of subs) this.#forget(sub);
  }

  #relation({ productKey, deviceName }: DeviceKey, gateway: DeviceKey): Relation {
    const { productKey: gatewayProduct, deviceName: gatewayName } = gateway;
    return {
      productKey,
      deviceName,
      gateway: { productKey: gatewayProduct, deviceName: gatewayName },
      addedAt: this.#clock.now(),
    };
  }

  #set(relation: Relation): void {
    this.#forget(relation);
    const id = deviceId(relation.gateway);
    const subs = this.#byGateway.get(id) ?? new Map();
    this.#byGateway.set(id, subs);
    subs.set(deviceId(relation), relation);
    this.#relations.set(deviceId(relation), relation);
  }

  #forget(sub: DeviceKey): void {
    const gateway = this.gatewayOf(sub);
    if (gateway === undefined) return;
    this.#relations.delete(deviceId(sub));
    const subs = this.#byGateway.get(deviceId(gateway));
    subs?.delete(deviceId(sub));
    if (subs?.size === 0) this.#byGateway.delete(deviceId(gateway));
  }
}

function change(sub: DeviceKey, record?: Relation): Change {
  const key = deviceId(sub);
  return { kind: 'relation', key, ...(record !== undefined && { record }) };
}
