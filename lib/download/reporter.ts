/**
 * The progress of a download as the platform sees it: progress reports. A report is a step, 0-100
 * percent or the code of a failure, and a text. A {@link ProgressReporter} makes those of one run;
 * the queue of the device (ota/progress-queue.ts) sends them.
 */
import { isInvalidArgument } from '../base/arguments';
import { type ErrorCode, IotkitError } from '../base/errors';

/**
 * Hands one report to the queue. `must`: it is sent in any case; if not, only until a later one
 * takes its place.
 */
export type SendReport = (step: number, desc: string, must: boolean) => void;

export type FailureStep = -1 | -2 | -3 | -4;

const DESC_MAX = 256;

/**
 * Makes the reports of one run: 0, growing percentages, then 100 (or, if the download is only part
 * of the update, its share) or the code of the failure. A resumed download begins with 0 as well.
 */
export class ProgressReporter {
  readonly #size: number;
  readonly #send: SendReport;
  readonly #upTo: number;
  #percent = 0;

  /** @param upTo the percentage at which the image is complete. */
  constructor(size: number, send: SendReport, upTo = 100) {
    this.#size = size;
    this.#send = send;
    this.#upTo = upTo;
  }

  start(): void {
    this.#send(0, '', true);
  }

  /** Percentages only grow, even if the download starts over; the last one is for success alone. */
  update(received: number): void {
    const percent = this.#size === 0 ? 0 : Math.floor((received * this.#upTo) / this.#size);
    if (percent <= this.#percent || percent >= this.#upTo) return;
    this.#percent = percent;
    this.#send(percent, '', false);
  }

  succeed(): void {
    this.#send(this.#upTo, '', true);
  }

  fail(error: unknown, step: FailureStep = failureStep(error)): void {
    this.#send(step, failureText(error), true);
  }
}

/** The text that the platform's console shows for a failure. */
export function failureText(error: unknown): string {
  const text =
    IotkitError.is(error) || isInvalidArgument(error)
      ? `${error.code}: ${error.message}`
      : 'upgrade failed';
  return text.slice(0, DESC_MAX);
}

/** Errors whose step is not that of their group. */
const exceptions: Readonly<Partial<Record<ErrorCode, FailureStep>>> = {
  ERR_TIMEOUT: -2,
  ERR_TOO_LONG: -2, // the URL of a redirect
  ERR_TRUNCATED: -2,
  ERR_CHANGED: -2,
  ERR_BLOCK: -2,
  ERR_NOTICE_JSON: -1,
  ERR_NOTICE_FIELD: -1,
  ERR_NOTICE_CODE: -1,
  ERR_VERSION_REFUSED: -1,
  ERR_PUBLIC_KEY: -1,
  ERR_INSTALL_REFUSED: -3, // not signed as it must be, or not for this machine
  ERR_DELTA_FORMAT: -3,
  ERR_DELTA_RESULT: -3,
};

/** The step by hundreds of the error's number: network, TLS, MQTT, HTTP; firmware; files. */
const groups: ReadonlyMap<number, FailureStep> = new Map([
  [11, -2],
  [12, -2],
  [13, -2],
  [14, -2],
  [15, -3],
  [16, -4],
]);

/** The platform's code of a failure: -1 upgrade, -2 download, -3 verification, -4 writing. */
export function failureStep(error: unknown): FailureStep {
  if (!IotkitError.is(error)) return -1;
  return exceptions[error.code] ?? groups.get(Math.trunc(-error.errno / 100)) ?? -1;
}
