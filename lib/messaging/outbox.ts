/**
 * What is published on its way to the connection: handed over at once where that is possible, or kept
 * until there is a connection and room.
 */
import { IotkitError } from '../base/errors';
import { whenAborted } from '../base/signals';
import type { OfflinePolicy, Qos } from './arguments';
import { Fifo } from './fifo';
import { Flights, type Settle } from './flights';

/** What is published. */
export interface Publication {
  readonly topic: string;
  readonly payload: string | Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
}

/** Hands one to the connection: its packet id, 0 with QoS 0; negative: the error. */
export type SendPublication = (publication: Publication) => number;

export interface OutboxOptions {
  readonly offline: OfflinePolicy;
  /** So many messages wait at most. */
  readonly maxWaiting: number;
}

/** Where a rate is kept: the milliseconds until the next message of this QoS; 0: it is taken. */
export type TakeTurn = (qos: Qos) => number;

/** All that wait, together. */
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
/** So many messages of QoS 0 are handed over before one waits for a turn of the event loop. */
const TURN_AFTER = 256;
/** Until it is tried again whether the connection has room. */
const RETRY_MS = 2;

interface Waiting extends Publication {
  readonly bytes: number;
  readonly settle: Settle;
  /** Handed over, aborted or refused: it waits no more. */
  isGone: boolean;
}

/**
 * The messages of a device. Those of QoS 0 and the others are two queues, each in order. What was handed
 * over with QoS 1 and 2 is sent again by the connection itself until it is acknowledged.
 */
export class Outbox {
  readonly #send: SendPublication;
  readonly #turn: TakeTurn;
  readonly #options: OutboxOptions;
  readonly #waiting = [new Fifo<Waiting>(), new Fifo<Waiting>()] as const;
  readonly #flights: Flights;
  readonly #onRoom = (): void => this.#pump();
  #handed = 0;
  #count = 0;
  #bytes = 0;
  #isConnected = false;
  #closed: IotkitError | undefined;
  #timer: NodeJS.Timeout | undefined;
  #dueAt = 0;

  /** @param flights those of the connection, which several devices may share */
  constructor(
    send: SendPublication,
    options: OutboxOptions,
    turn: TakeTurn = () => 0,
    flights = new Flights(),
  ) {
    this.#send = send;
    this.#options = options;
    this.#turn = turn;
    this.#flights = flights;
  }

  /** How many were handed over and not acknowledged. */
  get inFlight(): number {
    return this.#flights.size;
  }

  /**
   * undefined: it was handed over, and nothing follows. Else resolves when it has been handed over (QoS
   * 0) or acknowledged; rejects when it never will be, or with the reason of `signal`.
   */
  publish(publication: Publication, signal: AbortSignal | undefined): Promise<void> | undefined {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    const { qos } = publication;
    let delay = this.#untilTurn(qos);
    if (delay <= 0) {
      const rc = this.#send(publication);
      if (rc === 0) return this.#handedOver();
      if (rc > 0) {
        return new Promise((resolve, reject) => {
          this.#fly(
            rc,
            qos,
            settling(resolve, reject, signal, () => {}),
          );
        });
      }
      const error = IotkitError.fromErrno(rc);
      if (!mayPass(error)) return Promise.reject(error);
      if (error.code === 'ERR_NOT_CONNECTED') this.#isConnected = false;
      else delay = RETRY_MS;
    }
    return this.#wait(publication, signal, delay);
  }

  /** The connection's answer to a packet; false: it was not one of ours. */
  settle(packetId: number, error: IotkitError | undefined): boolean {
    return this.#flights.settle(packetId, error);
  }

  /** There is a connection. */
  connected(): void {
    this.#isConnected = true;
    this.#pump();
  }

  /** There is none. */
  disconnected(): void {
    this.#isConnected = false;
    this.#stopTimer();
    if (this.#options.offline === 'refuse') this.#refuseAll(new IotkitError('ERR_NOT_CONNECTED'));
  }

  /** What waits is rejected; what was handed over may still be acknowledged. */
  close(error: IotkitError): void {
    this.#closed = error;
    this.#stopTimer();
    this.#refuseAll(error);
  }

  /** The connection is gone: no acknowledgement will come any more. */
  end(): void {
    this.#flights.forget(this.#onRoom);
    this.#flights.end(this, this.#closed ?? new IotkitError('ERR_CLOSED'));
  }

  #laneOf(qos: Qos): Fifo<Waiting> {
    return this.#waiting[qos === 0 ? 0 : 1];
  }

  /** 0: one can go now. Infinity: an acknowledgement, a connection or those before it say when. */
  #untilTurn(qos: Qos): number {
    const mayGo = this.#isConnected && this.#laneOf(qos).length === 0 && this.#flights.hasRoom(qos);
    return mayGo ? this.#turn(qos) : Number.POSITIVE_INFINITY;
  }

  /** Of QoS 0. Whoever awaits each before the next one lets the event loop turn all the same. */
  #handedOver(): Promise<void> | undefined {
    this.#handed += 1;
    if (this.#handed % TURN_AFTER !== 0) return undefined;
    return new Promise((resolve) => setImmediate(resolve));
  }

  #fly(packetId: number, qos: Qos, settle: Settle): void {
    this.#flights.add(packetId, { qos, settle, owner: this });
  }

  #wait(publication: Publication, signal: AbortSignal | undefined, delay: number): Promise<void> {
    const { offline, maxWaiting } = this.#options;
    if (offline === 'refuse' && !this.#isConnected) {
      return Promise.reject(new IotkitError('ERR_NOT_CONNECTED'));
    }
    const { payload } = publication;
    const bytes = typeof payload === 'string' ? Buffer.byteLength(payload) : payload.byteLength;
    if (this.#count >= maxWaiting || this.#bytes + bytes > MAX_WAITING_BYTES) {
      const detail = `${this.#count} messages of ${this.#bytes} bytes wait to be sent`;
      return Promise.reject(new IotkitError('ERR_QUEUE_FULL', detail));
    }
    return new Promise((resolve, reject) => {
      const waiting: Waiting = {
        ...publication,
        // The caller may use the memory for something else meanwhile.
        payload: typeof payload === 'string' ? payload : payload.slice(),
        bytes,
        isGone: false,
        settle: settling(resolve, reject, signal, () => this.#forget(waiting)),
      };
      this.#laneOf(publication.qos).push(waiting);
      this.#count += 1;
      this.#bytes += bytes;
      if (!this.#flights.hasRoom(publication.qos)) this.#flights.wait(this.#onRoom);
      this.#pumpIn(delay);
    });
  }

  /** Pumps after so many milliseconds, or sooner. */
  #pumpIn(delay: number): void {
    if (!this.#isConnected || delay === Number.POSITIVE_INFINITY) return;
    const dueAt = performance.now() + delay;
    if (this.#timer !== undefined && this.#dueAt <= dueAt) return;
    this.#stopTimer();
    this.#dueAt = dueAt;
    this.#timer = setTimeout(() => this.#pump(), Math.ceil(delay));
  }

  #stopTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  #pump(): void {
    this.#stopTimer();
    if (!this.#isConnected) return;
    const delays = this.#waiting.map((lane) => this.#pumpLane(lane));
    this.#pumpIn(Math.min(...delays));
  }

  /** Sends what can go; the milliseconds until more can, Infinity: something else will say so. */
  #pumpLane(lane: Fifo<Waiting>): number {
    for (let next = lane.peek(); next !== undefined; next = lane.peek()) {
      if (!next.isGone) {
        if (!this.#flights.hasRoom(next.qos)) {
          this.#flights.wait(this.#onRoom);
          break;
        }
        const wait = this.#turn(next.qos);
        if (wait > 0) return wait;
        const error = this.#handOver(next);
        if (error?.code === 'ERR_NOT_CONNECTED') {
          this.disconnected();
          break;
        }
        if (error !== undefined) return RETRY_MS;
      }
      lane.shift();
    }
    return Number.POSITIVE_INFINITY;
  }

  /** The error that passes; undefined: it is settled, or will be. */
  #handOver(waiting: Waiting): IotkitError | undefined {
    const rc = this.#send(waiting);
    const error = rc < 0 ? IotkitError.fromErrno(rc) : undefined;
    if (error !== undefined && mayPass(error)) return error;
    this.#forget(waiting);
    if (rc > 0) this.#fly(rc, waiting.qos, waiting.settle);
    else waiting.settle(error);
    return undefined;
  }

  #forget(waiting: Waiting): void {
    if (waiting.isGone) return;
    waiting.isGone = true;
    this.#count -= 1;
    this.#bytes -= waiting.bytes;
  }

  #refuseAll(error: IotkitError): void {
    for (const lane of this.#waiting) {
      for (const waiting of lane.drain()) {
        if (waiting.isGone) continue;
        this.#forget(waiting);
        waiting.settle(error);
      }
    }
  }
}

/** Whether the same message may go later although nothing is changed. */
function mayPass({ code }: IotkitError): boolean {
  return code === 'ERR_NOT_CONNECTED' || code === 'ERR_QUEUE_FULL' || code === 'ERR_NO_MEMORY';
}

/** Settles a promise once: with what comes first, the outcome or the abort. */
function settling(
  resolve: () => void,
  reject: (reason: unknown) => void,
  signal: AbortSignal | undefined,
  onAbort: () => void,
): Settle {
  if (signal === undefined) return (error) => (error === undefined ? resolve() : reject(error));
  const stop = whenAborted(signal, (reason) => {
    onAbort();
    reject(reason);
  });
  return (error) => {
    stop();
    if (error === undefined) resolve();
    else reject(error);
  };
}
