import type { DeviceKey } from '../types';

/** What a broker tells the protocol engine. */
export interface BrokerListener {
  connected(key: DeviceKey): void;
  disconnected(key: DeviceKey): void;
  /** The device (or its restored session) may now receive what is published to its topics. */
  subscribed(key: DeviceKey): void;
  message(topic: string, payload: Buffer): void;
}

/** The transport under the protocol engine: the embedded broker, or a client of an external one. */
export interface Broker {
  /** False: connections are not seen, and every version report counts as a new one. */
  readonly knowsConnections: boolean;
  /** Whether the device is connected, as far as this broker can know. */
  isOnline(key: DeviceKey): boolean;
  /** Whether a message to this topic would reach the device now, as far as can be known. */
  canReceive(key: DeviceKey, topic: string): boolean;
  /** Resolves when the broker has taken the message over. */
  publish(topic: string, payload: string | Buffer, qos: 0 | 1): Promise<void>;
  /** Ends the device's connection, if this broker has it. */
  disconnect(key: DeviceKey): void;
  close(): Promise<void>;
}
