const WINDOW_MS = 1000;

/** How much a connection publishes: its messages in the present second, by their QoS. */
export class PublishRate {
  readonly #now: () => number;
  #since = Number.NEGATIVE_INFINITY;
  #counts: [number, number] = [0, 0];

  /** `now` gives milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Counts a message. A second begins with the first message after the one before. */
  count(qos: 0 | 1): number {
    const now = this.#now();
    const isOver = now - this.#since >= WINDOW_MS || now < this.#since;
    if (isOver) {
      this.#since = now;
      this.#counts = [0, 0];
    }
    this.#counts[qos] += 1;
    return this.#counts[qos];
  }
}
