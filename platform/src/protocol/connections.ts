import { messageOf } from '../base/errors';
import type { Events } from '../events/events';
import type { DeviceKey, Presence } from '../types/device';
import type { Broker, BrokerHealth } from './broker';

/**
 * The way to the devices, for every room above the protocol. It is made before all of them and
 * given its broker last, when everyone who listens is ready; until then no device is online and
 * what is sent goes nowhere.
 */
export class Connections {
  readonly #events: Events;
  #broker: Broker | undefined;

  constructor(events: Events) {
    this.#events = events;
  }

  /** Once, when the broker is open. */
  attach(broker: Broker): void {
    this.#broker = broker;
  }

  get health(): BrokerHealth {
    return this.#broker?.health ?? { connected: false, reason: 'the broker is not open yet' };
  }

  presence(key: DeviceKey): Presence {
    return this.#broker?.presence(key) ?? 'no';
  }

  canReceive(key: DeviceKey, topic: string): boolean {
    return this.#broker?.canReceive(key, topic) ?? false;
  }

  get seesMessages(): boolean {
    return this.#broker?.seesMessages ?? false;
  }

  takesCustomCalls(key: DeviceKey): boolean {
    return this.#broker?.takesCustomCalls(key) ?? false;
  }

  /** Resolves when the broker has accepted the message for a device, by default the topic's. */
  async publish(topic: string, payload: Buffer, qos: 0 | 1, to?: DeviceKey): Promise<void> {
    if (this.#broker === undefined) throw new Error('the broker is not open yet');
    await this.#broker.publish(topic, payload, qos, to);
  }

  /** Sends a message. A failure is a `bad-message` event, after `onFailure`. */
  send(topic: string, payload: string | Buffer, qos: 0 | 1, onFailure?: () => void): void {
    this.#broker?.publish(topic, payload, qos).catch((error: unknown) => {
      onFailure?.();
      this.#events.emit('bad-message', { topic, reason: `not sent: ${messageOf(error)}` });
    });
  }

  /** Ends the device's connection, or the one that carries it, if the broker has it. */
  disconnect(key: DeviceKey): void {
    this.#broker?.disconnect(key);
  }

  /** Ends the device's own connection; when this returns, everyone has heard of its end. */
  evict(key: DeviceKey): void {
    this.#broker?.evict(key);
  }
}
