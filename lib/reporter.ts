import { IotkitError } from './errors';

/** Sends one step to the platform, now or as soon as it can. */
export type SendStep = (step: number, desc: string) => void;

const INTERVAL_MS = 1_000;
const DESC_MAX = 256;

/**
 * A download's progress as the platform sees it: 0, at most one growing percentage per second, then
 * 100 or the code of the failure. The platform takes 30 messages/s from a device; this leaves room
 * for everybody else.
 */
export class Reporter {
  readonly #size: number;
  readonly #send: SendStep;
  #percent = 0;
  #sentAt = 0;

  constructor(size: number, send: SendStep) {
    this.#size = size;
    this.#send = send;
  }

  start(): void {
    this.#sentAt = performance.now();
    this.#send(0, '');
  }

  /** Percentages only grow, and 100 is for success alone. */
  update(received: number): void {
    const percent = this.#size === 0 ? 0 : Math.floor((received * 100) / this.#size);
    const now = performance.now();
    if (percent <= this.#percent || percent >= 100 || now - this.#sentAt < INTERVAL_MS) return;
    this.#percent = percent;
    this.#sentAt = now;
    this.#send(percent, '');
  }

  succeed(): void {
    this.#send(100, '');
  }

  fail(error: unknown): void {
    const message = IotkitError.is(error) ? `${error.code}: ${error.message}` : 'upgrade failed';
    this.#send(failureStep(error), message.slice(0, DESC_MAX));
  }
}

/** The platform's code of a failure: -1 upgrade, -2 download, -3 verification, -4 writing. */
export function failureStep(error: unknown): -1 | -2 | -3 | -4 {
  if (!IotkitError.is(error)) return -1;
  // The table of errors is in ranges: network, TLS and HTTP; firmware; files.
  const group = Math.trunc(-error.errno / 100);
  if (group === 16) return -4;
  if (group === 15) return error.code === 'ERR_TRUNCATED' || error.code === 'ERR_CHANGED' ? -2 : -3;
  if (group === 11 || group === 12 || group === 14) return -2;
  return -1;
}
