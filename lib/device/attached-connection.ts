/** A connection of the program's in the place of the addon's own: what Device drives. */
import type {
  DeviceListener,
  NativeAttachment,
  NativeDevice,
  NativeTransport,
} from '../addon/binding';
import { flag, text, wrongType } from '../base/arguments';
import { type ErrorCode, IotkitError } from '../base/errors';
import type { AttachStop, CheckedTransport } from './attach-options';

/** `enum iotkit_mqtt_state`. */
const states = { connected: 2, waiting: 3 } as const;

/** Opens the channel in the addon. */
export type OpenAttachment = (transport: NativeTransport) => NativeAttachment;

const errnoOf = (code: ErrorCode): number => new IotkitError(code).errno;

export class AttachedConnection implements NativeDevice {
  readonly #transport: CheckedTransport;
  readonly #listener: DeviceListener;
  readonly #native: NativeAttachment;
  /** What the device has subscribed. */
  readonly #topics = new Set<string>();
  readonly #stops: AttachStop[] = [];
  #isConnected = false;
  #isClosed = false;
  #connects = 0;

  constructor(transport: CheckedTransport, listener: DeviceListener, open: OpenAttachment) {
    this.#transport = transport;
    this.#listener = listener;
    this.#native = open({
      publish: (topic, payload, qos, packetId) => this.#publish(topic, payload, qos, packetId),
      subscribe: (topic, qos) => this.#subscribe(topic, qos),
      unsubscribe: (topic) => this.#unsubscribe(topic),
    });
  }

  /** Once the device is there to hear of it. */
  start(): void {
    const { onMessage, onConnection, connected } = this.#transport;
    this.#stops.push(onMessage((topic, payload, dup) => this.#receive(topic, payload, dup)));
    this.#stops.push(onConnection((now) => this.#changed(flag('connected', now))));
    // A handler may have been called already.
    if (this.#connects === 0) this.#changed(connected);
  }

  reportVersion(version: string, module: string): number {
    return this.#native.reportVersion(version, module);
  }

  reportProgress(step: number, desc: string, module: string): number {
    return this.#native.reportProgress(step, desc, module);
  }

  request(module: string): string | number {
    return this.#native.request(module);
  }

  requestConfig(): string | number {
    return this.#native.requestConfig();
  }

  answerConfig(pushId: string, code: number, message: string): number {
    return this.#native.answerConfig(pushId, code, message);
  }

  requestTime(): string | number {
    return this.#native.requestTime();
  }

  /** The program has a connection of its own for its messages. */
  publish(): number {
    return errnoOf('ERR_UNSUPPORTED');
  }

  subscribe(): number {
    return errnoOf('ERR_UNSUPPORTED');
  }

  unsubscribe(): void {}

  holdReading(): void {}

  setBandwidthLimit(bytesPerSecond: number): void {
    this.#native.setBandwidthLimit(bytesPerSecond);
  }

  ref(): void {
    this.#native.ref();
  }

  unref(): void {
    this.#native.unref();
  }

  close(): void {
    this.#native.close();
    this.#isClosed = true;
    for (const stop of this.#stops.splice(0)) if (typeof stop === 'function') stop();
  }

  /* ---- what the program tells ---- */

  #receive(topic: string, payload: Uint8Array, dup = false): boolean {
    if (this.#isClosed || !this.#topics.has(text('topic', topic, { max: 65_535 }))) return false;
    if (!(payload instanceof Uint8Array)) throw wrongType('payload', 'a Uint8Array', payload);
    return this.#native.feed(topic, payload, flag('dup', dup));
  }

  #changed(connected: boolean): void {
    if (this.#isClosed) return;
    this.#isConnected = connected;
    if (connected) this.#connects += 1;
    this.#native.setConnected(connected);
    const state = connected ? states.connected : states.waiting;
    const errno = connected ? 0 : errnoOf('ERR_NOT_CONNECTED');
    this.#listener.onState(state, errno, '', this.#connects, false);
  }

  /* ---- what the addon asks for ---- */

  async #publish(topic: string, payload: Uint8Array, qos: 0 | 1, packetId: number): Promise<void> {
    try {
      await this.#transport.publish(topic, payload, { qos });
    } catch (error) {
      this.#notPublished(topic, payload, packetId, error);
      return;
    }
    if (packetId !== 0 && !this.#isClosed) this.#listener.onPublished(packetId, 0, '');
  }

  /** A message of QoS 1 that was lost with the connection goes out with the next one. */
  #notPublished(topic: string, payload: Uint8Array, packetId: number, error: unknown): void {
    if (this.#isClosed) return;
    const detail = `publish to ${topic}: ${messageOf(error)}`;
    if (packetId === 0) {
      if (this.#isConnected) this.#listener.onRefused(errnoOf('ERR_NETWORK'), detail, '');
    } else if (this.#isConnected) {
      this.#listener.onPublished(packetId, errnoOf('ERR_NETWORK'), detail);
    } else if (!this.#native.keep(topic, payload, packetId)) {
      this.#listener.onPublished(packetId, errnoOf('ERR_QUEUE_FULL'), detail);
    }
  }

  async #subscribe(topic: string, qos: 0 | 1): Promise<void> {
    this.#topics.add(topic);
    try {
      await this.#transport.subscribe(topic, { qos });
    } catch (error) {
      // Lost with the connection: the next one does it.
      if (this.#isClosed || !this.#isConnected) return;
      const detail = `${topic}: ${messageOf(error)}`;
      this.#listener.onRefused(errnoOf('ERR_MQTT_SUBSCRIBE'), detail, '');
    }
  }

  async #unsubscribe(topic: string): Promise<void> {
    this.#topics.delete(topic);
    try {
      await this.#transport.unsubscribe(topic);
    } catch {
      // Of messages that come all the same nothing is heard here any more.
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
