/** How fast a device may publish: the rates of the platform, kept by what is published here. */
import type { Qos } from './arguments';

/** Messages per second of a device; 0: no limit. */
export interface Rates {
  /** Of QoS 0, progress reports and requests for blocks of firmware included. */
  readonly qos0: number;
  /** Of QoS 1 and 2, version reports included. */
  readonly qos1: number;
}

/** What the platform takes. */
export const PLATFORM_RATES: Rates = { qos0: 30, qos1: 10 };

/** What the OTA publishes by itself, in the same budget. */
export interface OtaPace {
  /** Whether a download asks for blocks, of which 20 go in a second. */
  readonly asksForBlocks: () => boolean;
  /** Takes a turn of progress reports, of which 10 go in a second; else the milliseconds until one. */
  readonly takeTurn: () => number;
}

const noOta: OtaPace = { asksForBlocks: () => false, takeTurn: () => 0 };

/** Progress reports have as many turns, of their own. */
const OF_PROGRESS = 10;
/** Of the messages of any second so many go at once, where nothing went before. */
const BURST = 0.3;

/** So many in any second: a burst, and the rest at an even pace. */
class Bucket {
  readonly #burst: number;
  readonly #perMs: number;
  #tokens: number;
  #filledAt = performance.now();

  constructor(perSecond: number) {
    this.#burst = Math.max(1, Math.floor(perSecond * BURST));
    this.#perMs = Math.max(perSecond - this.#burst, perSecond / 2) / 1_000;
    this.#tokens = this.#burst;
  }

  take(): number {
    this.#fill();
    if (this.#tokens < 1) return (1 - this.#tokens) / this.#perMs;
    this.#tokens -= 1;
    return 0;
  }

  /** So many have gone that did not ask. */
  note(count: number): void {
    this.#fill();
    this.#tokens -= count;
  }

  #fill(): void {
    const now = performance.now();
    const more = (now - this.#filledAt) * this.#perMs;
    this.#tokens = Math.min(this.#burst, this.#tokens + more);
    this.#filledAt = now;
  }
}

/**
 * Of the messages of QoS 0, progress reports have a share of their own; of the rest the program's have
 * all, or, while a download asks for blocks, these have all and the program takes turns of progress
 * reports. So together they never exceed the rate.
 */
export class Pacer {
  readonly #ota: OtaPace;
  readonly #qos0: Bucket | undefined;
  readonly #qos1: Bucket | undefined;

  constructor({ qos0, qos1 }: Rates, ota: OtaPace = noOta) {
    this.#ota = ota;
    const rest = qos0 > 2 * OF_PROGRESS ? qos0 - OF_PROGRESS : qos0 / 2;
    this.#qos0 = qos0 === 0 ? undefined : new Bucket(rest);
    this.#qos1 = qos1 === 0 ? undefined : new Bucket(qos1);
  }

  /** 0: one may go now. Else the milliseconds until one may. */
  take(qos: Qos): number {
    if (qos > 0) return this.#qos1?.take() ?? 0;
    if (this.#qos0 === undefined) return 0;
    return this.#ota.asksForBlocks() ? this.#ota.takeTurn() : this.#qos0.take();
  }

  /** A version report has gone. @param count less than 1: with QoS 1 only so often */
  noteReport(count = 1): void {
    this.#qos1?.note(count);
  }
}
