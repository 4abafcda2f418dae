// logs/: what devices write into their logs and upload, and whether they are asked to. Keeps the last
// of each device. Imports base, store, types, devices, events, protocol.

import type { Clock } from '../base/clock';
import { PlatformError } from '../base/errors';
import type { Devices } from '../devices/devices';
import { deviceId } from '../devices/names';
import type { Events } from '../events/events';
import type { Connections } from '../protocol/connections';
import {
  BadLogMessage,
  logConfigPushPayload,
  logConfigReplyPayload,
  logErrorPayload,
  logReplyPayload,
  parseLogConfigGet,
  parseLogPost,
  parseLogTime,
} from '../protocol/log-messages';
import { logConfigGetReplyTopic, logConfigPushTopic, logReplyTopic } from '../protocol/topics';
import type { Store } from '../store/store';
import type { DeviceKey } from '../types/device';
import type { DeviceLogEntry, LogEntry } from '../types/log';
import { type LogMessage, writtenSince } from './written';

interface Dependencies {
  readonly store: Store;
  readonly clock: Clock;
  readonly events: Events;
  readonly devices: Devices;
  readonly connections: Connections;
}

/** A message, a record of its own, so that nothing is written twice. */
interface Batch extends DeviceKey, LogMessage {
  /** Counts the batches of the device. */
  readonly number: number;
}

/** A device that is asked to upload its log. */
interface Wish extends DeviceKey {
  readonly wanted: boolean;
}

/** Which entries `logs.list` gives. */
export interface LogSelection {
  /** Received at or after this time, milliseconds since the epoch. */
  readonly since?: number;
  /** Received before this time, milliseconds since the epoch. */
  readonly until?: number;
  /**
   * Without what was surely written before this time, milliseconds since the epoch: by its own time,
   * where the last entry of the same upload shows that the device's clock was right.
   */
  readonly writtenSince?: number;
  /** The last so many, 1 or more. */
  readonly limit?: number;
}

/** What is kept of a device: text of so many bytes, and the last message in any case. */
const MAX_BYTES = 256 * 1024;

/** The logs of devices. */
export class Logs {
  readonly #deps: Dependencies;
  readonly #batches = new Map<string, Batch[]>();
  readonly #wanted = new Set<string>();
  #nextId: number;

  constructor(deps: Dependencies) {
    this.#deps = deps;
    this.#nextId = deps.clock.now() % 2 ** 31;
  }

  async load(): Promise<void> {
    const { store } = this.#deps;
    for (const batch of await store.load<Batch>('log')) this.#of(batch).push(batch);
    for (const batches of this.#batches.values()) batches.sort((a, b) => a.number - b.number);
    for (const wish of await store.load<Wish>('log-wish')) this.#wanted.add(deviceId(wish));
  }

  /**
   * What a device has uploaded, the oldest first; the last 256 KiB of a device are kept. Throws
   * ERR_DEVICE_UNKNOWN.
   */
  list(key: DeviceKey, selection: LogSelection = {}): DeviceLogEntry[] {
    this.#expectDevice(key);
    const { since = 0, until = Infinity, writtenSince: written = 0, limit } = selection;
    const batches = this.#batches.get(deviceId(key)) ?? [];
    const entries = batches.flatMap((batch, i) => {
      if (batch.receivedAt < since || batch.receivedAt >= until) return [];
      return writtenSince(batches, i, written).map((entry) => given(batch, entry));
    });
    return limit === undefined ? entries : entries.slice(Math.max(0, entries.length - limit));
  }

  /** Whether a device is asked to upload its log; false unless somebody wished it. */
  isWanted(key: DeviceKey): boolean {
    return this.#wanted.has(deviceId(key));
  }

  /**
   * Asks a device to upload its log from now on, or to no longer do so; it is told now if it is
   * connected, else when it asks. Rejects with ERR_DEVICE_UNKNOWN, ERR_STATE_FULL, ERR_STATE.
   */
  async want(key: DeviceKey, wanted: boolean): Promise<void> {
    this.#expectDevice(key);
    const { productKey, deviceName } = key;
    const id = deviceId(key);
    const wish: Wish = { productKey, deviceName, wanted };
    const { store, connections } = this.#deps;
    await store.commit([{ kind: 'log-wish', key: id, ...(wanted && { record: wish }) }]);
    if (wanted) this.#wanted.add(id);
    else this.#wanted.delete(id);
    this.#nextId = (this.#nextId + 1) % 2 ** 32;
    const payload = logConfigPushPayload(String(this.#nextId), wanted);
    connections.send(logConfigPushTopic(key), payload, 1);
  }

  /** Removes what a device has uploaded. Rejects with ERR_DEVICE_UNKNOWN, ERR_STATE_FULL, ERR_STATE. */
  async clear(key: DeviceKey): Promise<void> {
    this.#expectDevice(key);
    const batches = this.#batches.get(deviceId(key)) ?? [];
    const changes = batches.map((batch) => ({ kind: 'log' as const, key: recordKey(batch) }));
    await this.#deps.store.commit(changes);
    this.#batches.delete(deviceId(key));
  }

  /** @internal A device uploads entries of its log. */
  posted(key: DeviceKey, payload: Buffer): void {
    this.#answer(logReplyTopic(key), () => {
      const { id, entries } = parseLogPost(payload);
      this.#keep(key, entries);
      return logReplyPayload(id);
    });
  }

  /** @internal A device asks whether its log is wanted. */
  requested(key: DeviceKey, payload: Buffer): void {
    this.#answer(logConfigGetReplyTopic(key), () =>
      logConfigReplyPayload(parseLogConfigGet(payload), this.isWanted(key)),
    );
  }

  /** @internal The device was removed. */
  forget(key: DeviceKey): void {
    const { store } = this.#deps;
    const id = deviceId(key);
    for (const batch of this.#batches.get(id) ?? []) store.remove('log', recordKey(batch));
    this.#batches.delete(id);
    if (this.#wanted.delete(id)) store.remove('log-wish', id);
  }

  #answer(topic: string, make: () => string): void {
    const { connections } = this.#deps;
    try {
      connections.send(topic, make(), 0);
    } catch (error) {
      if (error instanceof BadLogMessage) connections.send(topic, logErrorPayload(error), 0);
      throw error;
    }
  }

  #keep({ productKey, deviceName }: DeviceKey, entries: readonly LogEntry[]): void {
    const { store, clock, events } = this.#deps;
    const key = { productKey, deviceName };
    const batches = this.#of(key);
    const number = (batches.at(-1)?.number ?? 0) + 1;
    const batch: Batch = { ...key, number, receivedAt: clock.now(), entries };
    batches.push(batch);
    store.put('log', recordKey(batch), batch);
    let bytes = batches.reduce((sum, each) => sum + sizeOf(each), 0);
    while (bytes > MAX_BYTES && batches.length > 1) {
      const oldest = batches.shift() as Batch;
      bytes -= sizeOf(oldest);
      store.remove('log', recordKey(oldest));
    }
    events.emit('log-posted', { ...key, entries: entries.length });
  }

  #of(key: DeviceKey): Batch[] {
    const id = deviceId(key);
    const batches = this.#batches.get(id) ?? [];
    this.#batches.set(id, batches);
    return batches;
  }

  #expectDevice(key: DeviceKey): void {
    if (this.#deps.devices.get(key) !== undefined) return;
    throw new PlatformError('ERR_DEVICE_UNKNOWN', `there is no device ${deviceId(key)}`);
  }
}

function given({ productKey, deviceName, receivedAt }: Batch, entry: LogEntry): DeviceLogEntry {
  const time = parseLogTime(entry.utcTime);
  return { productKey, deviceName, receivedAt, ...(time !== undefined && { time }), ...entry };
}

function recordKey(batch: Batch): string {
  return `${deviceId(batch)}/${String(batch.number).padStart(12, '0')}`;
}

const sizes = new WeakMap<Batch, number>();

/** Of its text, about. */
function sizeOf(batch: Batch): number {
  const known = sizes.get(batch);
  if (known !== undefined) return known;
  const size = Buffer.byteLength(JSON.stringify(batch.entries));
  sizes.set(batch, size);
  return size;
}
