// Tested by test/unit/messaging/outbox.test.ts
/** What is on its way over a connection and not acknowledged yet. */
import type { IotkitError } from '../base/errors';
import type { Qos } from './arguments';

/** Settles what a program waits for. */
export type Settle = (error?: unknown) => void;

/** Of the 100 publishes that the connection carries unacknowledged; the others are left for reports. */
const MAX_IN_FLIGHT = 90;
/**
 * Of QoS 2. A mosquitto takes 20 at a time unless it is told otherwise, and drops what comes above that
 * though it acknowledges it.
 */
const MAX_EXACTLY_ONCE = 20;
interface Flight {
  readonly qos: Qos;
  readonly settle: Settle;
  readonly owner: object;
}

/** What one connection carries unacknowledged, of all devices that it carries. */
export class Flights {
  readonly #all = new Map<number, Flight>();
  /** Those that wait for room. */
  readonly #waiting = new Set<() => void>();
  #exactlyOnce = 0;

  get size(): number {
    return this.#all.size;
  }

  hasRoom(qos: Qos): boolean {
    if (qos === 2 && this.#exactlyOnce >= MAX_EXACTLY_ONCE) return false;
    return qos === 0 || this.#all.size < MAX_IN_FLIGHT;
  }

  add(packetId: number, flight: Flight): void {
    this.#all.set(packetId, flight);
    if (flight.qos === 2) this.#exactlyOnce += 1;
  }

  /** Calls back, once, when an acknowledgement or the end of an owner has made room. */
  wait(onRoom: () => void): void {
    this.#waiting.add(onRoom);
  }

  forget(onRoom: () => void): void {
    this.#waiting.delete(onRoom);
  }

  /** The connection's answer to a packet; false: it was not one of ours. */
  settle(packetId: number, error: IotkitError | undefined): boolean {
    const flight = this.#all.get(packetId);
    if (flight === undefined) return false;
    this.#all.delete(packetId);
    if (flight.qos === 2) this.#exactlyOnce -= 1;
    flight.settle(error);
    this.#wake();
    return true;
  }

  /** No acknowledgement will come for those of `owner`. */
  end(owner: object, error: IotkitError): void {
    for (const [packetId, flight] of this.#all) {
      if (flight.owner !== owner) continue;
      this.#all.delete(packetId);
      if (flight.qos === 2) this.#exactlyOnce -= 1;
      flight.settle(error);
    }
    this.#wake();
  }

  #wake(): void {
    for (const onRoom of [...this.#waiting]) {
      this.#waiting.delete(onRoom);
      onRoom();
    }
  }
}
