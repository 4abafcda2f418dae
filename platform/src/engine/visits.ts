// Tested by platform/test/engine/engine.test.ts

import type { Clock, Timer } from '../base/clock';
import { deviceId, moduleKey } from '../devices/names';
import type { DeviceKey } from '../types/device';
import type { Task } from './task-states';

/** What a device has done on its present connection. */
interface Visit {
  readonly reported: Set<string>;
  readonly noticed: Set<Task>;
  /** Undefined when the time in which the device was to report its versions is over. */
  grace: Timer | undefined;
}

/**
 * The present connection of each device: which versions it reported on it, and which notices it was
 * sent. Where connections are not seen, all that was heard since the start is one visit.
 */
export class Visits {
  readonly #clock: Clock;
  readonly #graceMs: number;
  readonly #visits = new Map<string, Visit>();

  constructor(clock: Clock, graceMs: number) {
    this.#clock = clock;
    this.#graceMs = graceMs;
  }

  /** A device has connected. Calls `onGraceOver` when it has had the time to report its versions. */
  begin(key: DeviceKey, onGraceOver: () => void): void {
    this.end(key);
    const visit = emptyVisit();
    visit.grace = this.#clock.at(this.#clock.now() + this.#graceMs, () => {
      visit.grace = undefined;
      onGraceOver();
    });
    this.#visits.set(deviceId(key), visit);
  }

  end(key: DeviceKey): void {
    this.#visits.get(deviceId(key))?.grace?.cancel();
    this.#visits.delete(deviceId(key));
  }

  close(): void {
    for (const { grace } of this.#visits.values()) grace?.cancel();
    this.#visits.clear();
  }

  reported(key: DeviceKey, module: string | undefined): void {
    this.#of(key).reported.add(moduleKey(module));
  }

  hasReported(key: DeviceKey, module: string | undefined): boolean {
    return this.#visits.get(deviceId(key))?.reported.has(moduleKey(module)) ?? false;
  }

  isGraceOver(key: DeviceKey): boolean {
    return this.#visits.get(deviceId(key))?.grace === undefined;
  }

  noticed(task: Task): void {
    this.#of(task).noticed.add(task);
  }

  wasNoticed(task: Task): boolean {
    return this.#visits.get(deviceId(task))?.noticed.has(task) ?? false;
  }

  /** What was sent to the device may be lost. */
  forgetNotices(key: DeviceKey): void {
    this.#visits.get(deviceId(key))?.noticed.clear();
  }

  #of(key: DeviceKey): Visit {
    const id = deviceId(key);
    const visit = this.#visits.get(id) ?? emptyVisit();
    this.#visits.set(id, visit);
    return visit;
  }
}

function emptyVisit(): Visit {
  return { reported: new Set(), noticed: new Set(), grace: undefined };
}
