import type { Clock } from '../base/clock';
import { deviceId } from '../devices/names';
import type { Events } from '../events/events';
import type { Connections } from '../protocol/connections';
import {
  BadPost,
  parsePropertyPost,
  postReplyPayload,
  THING_CODE,
} from '../protocol/thing-messages';
import { propertyReplyTopic } from '../protocol/topics';
import type { DeviceKey } from '../types/device';

/** A property as a device last said it to be. */
export interface DeviceProperty {
  readonly value: unknown;
  /** By the device's clock, or when it came; milliseconds since the epoch. */
  readonly time: number;
}

interface Dependencies {
  readonly clock: Clock;
  readonly events: Events;
  readonly connections: Connections;
}

/** Of a device: beyond them, those that were posted longest ago are forgotten. */
const MAX_KEPT = 1000;

/**
 * What devices post of their thing models. Names and form are checked, not the values: there is no
 * model here. The last of each is kept in memory.
 */
export class Properties {
  readonly #deps: Dependencies;
  readonly #last = new Map<string, Map<string, DeviceProperty>>();

  constructor(deps: Dependencies) {
    this.#deps = deps;
  }

  /** By name; the one that was posted longest ago comes first. */
  of(key: DeviceKey): Readonly<Record<string, DeviceProperty>> {
    return Object.fromEntries(this.#last.get(deviceId(key)) ?? []);
  }

  /** A device posts. Throws a BadMessage, which was answered where it could be. */
  posted(key: DeviceKey, payload: Buffer): void {
    const topic = propertyReplyTopic(key);
    const { connections, events, clock } = this.#deps;
    try {
      const { id, properties, wantsReply } = parsePropertyPost(payload);
      const now = clock.now();
      const known = [...properties].map(
        ([name, { value, time = now }]) => [name, { value, time }] as const,
      );
      this.#keep(key, known);
      const { productKey, deviceName } = key;
      const said = Object.fromEntries(known);
      events.emit('properties-posted', { productKey, deviceName, properties: said });
      if (!wantsReply) return;
      connections.send(topic, postReplyPayload(id, THING_CODE.success, 'success'), 0);
    } catch (error) {
      if (error instanceof BadPost && error.id !== undefined) {
        const { id, thingCode, message } = error;
        connections.send(topic, postReplyPayload(id, thingCode, message), 0);
      }
      throw error;
    }
  }

  /** The device is removed. */
  forget(key: DeviceKey): void {
    this.#last.delete(deviceId(key));
  }

  #keep(key: DeviceKey, said: readonly (readonly [string, DeviceProperty])[]): void {
    const id = deviceId(key);
    const kept = this.#last.get(id) ?? new Map<string, DeviceProperty>();
    this.#last.set(id, kept);
    for (const [name, property] of said) {
      kept.delete(name);
      kept.set(name, property);
    }
    for (const name of kept.keys()) {
      if (kept.size <= MAX_KEPT) return;
      kept.delete(name);
    }
  }
}
