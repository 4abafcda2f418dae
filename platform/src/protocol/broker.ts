import type { DeviceKey, Presence } from '../types/device';

/** What a broker reports to the engine; one that sees no connections reports messages alone. */
export interface BrokerListener {
  connected(key: DeviceKey): void;
  disconnected(key: DeviceKey): void;
  /** The device (or its restored session) may now receive what is published to its topics. */
  subscribed(key: DeviceKey): void;
  /**
   * A device has published something; `from` says whose connection it came on, where that is seen. The
   * payload is only valid during the call.
   */
  message(topic: string, payload: Buffer, from?: DeviceKey): void;
}

/** What a broker asks about gateways, whose connections carry other devices' messages. */
export interface Carriage {
  /** The gateway through which a device is logged in. */
  carrierOf(key: DeviceKey): DeviceKey | undefined;
  /**
   * A gateway has published to a topic of a device that it does not carry. Whether it may stay
   * connected: the message is dropped in any case.
   */
  strayed(gateway: DeviceKey, owner: DeviceKey): boolean;
}

/** Whether a broker can be used. */
export interface BrokerHealth {
  readonly connected: boolean;
  /** Why it cannot. */
  readonly reason?: string;
}

/** The transport under the engine: the embedded broker, or a client of an external one. */
export interface Broker {
  readonly health: BrokerHealth;
  /** Whether all that devices publish is seen, and who they are. */
  readonly seesMessages: boolean;
  /** Whether the device is connected, if this broker can know. */
  presence(key: DeviceKey): Presence;
  /** Whether a message to this topic may reach the device now. */
  canReceive(key: DeviceKey, topic: string): boolean;
  /** Whether the device takes calls on topics of its own, if this broker can know. */
  takesCustomCalls(key: DeviceKey): boolean;
  /**
   * Resolves when the broker has accepted the message. It is for the device `to`; by default for the
   * one that the topic names.
   */
  publish(topic: string, payload: string | Buffer, qos: 0 | 1, to?: DeviceKey): Promise<void>;
  /** Ends the device's connection, or the one that carries it, if this broker has it. */
  disconnect(key: DeviceKey): void;
  /** Ends the device's own connection; when this returns, everyone has heard of its end. */
  evict(key: DeviceKey): void;
  close(): Promise<void>;
}
