import type { Clock } from '../base/clock';
import { deviceId } from '../devices/names';
import type { DeviceKey } from '../types/device';

/** Who is told that a sub-device has come and gone, as others come and go with connections. */
export interface SessionListener {
  opened(sub: DeviceKey): void;
  closed(sub: DeviceKey): void;
}

interface Rate {
  since: number;
  logins: number;
}

const SECOND_MS = 1000;

/** Which sub-devices are logged in, through which gateway. In memory: a restart ends all of them. */
export class Sessions {
  readonly #clock: Clock;
  readonly #carriers = new Map<string, DeviceKey>();
  readonly #carried = new Map<string, Map<string, DeviceKey>>();
  readonly #rates = new Map<string, Rate>();
  #listener: SessionListener = { opened: () => undefined, closed: () => undefined };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  listen(listener: SessionListener): void {
    this.#listener = listener;
  }

  carrierOf(sub: DeviceKey): DeviceKey | undefined {
    return this.#carriers.get(deviceId(sub));
  }

  carriedBy(gateway: DeviceKey): DeviceKey[] {
    return [...(this.#carried.get(deviceId(gateway))?.values() ?? [])];
  }

  isOpen(sub: DeviceKey, gateway: DeviceKey): boolean {
    return this.#carried.get(deviceId(gateway))?.has(deviceId(sub)) ?? false;
  }

  open(sub: DeviceKey, gateway: DeviceKey): void {
    this.#carriers.set(deviceId(sub), gateway);
    const subs = this.#carried.get(deviceId(gateway)) ?? new Map();
    this.#carried.set(deviceId(gateway), subs);
    subs.set(deviceId(sub), sub);
    this.#listener.opened(sub);
  }

  /** Gives the gateway of the session that has ended; undefined where there was none. */
  close(sub: DeviceKey): DeviceKey | undefined {
    const gateway = this.carrierOf(sub);
    if (gateway === undefined) return undefined;
    this.#carriers.delete(deviceId(sub));
    const subs = this.#carried.get(deviceId(gateway));
    subs?.delete(deviceId(sub));
    if (subs?.size === 0) this.#carried.delete(deviceId(gateway));
    this.#listener.closed(sub);
    return gateway;
  }

  /** A gateway is gone, and with it all that it carried. */
  closeAll(gateway: DeviceKey): void {
    for (const sub of this.carriedBy(gateway)) this.close(sub);
    this.#rates.delete(deviceId(gateway));
  }

  /** Counts logins, and says how many a gateway tried in its present second. */
  count(gateway: DeviceKey, logins: number): number {
    const id = deviceId(gateway);
    const now = this.#clock.now();
    const before = this.#rates.get(id);
    const rate =
      before === undefined || now - before.since >= SECOND_MS ? { since: now, logins: 0 } : before;
    rate.logins += logins;
    this.#rates.set(id, rate);
    return rate.logins;
  }
}
