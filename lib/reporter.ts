import { type ErrorCode, IotkitError } from './errors';

/** Sends one step to the platform; `must`: in any case, else until a later one takes its place. */
export type SendStep = (step: number, desc: string, must: boolean) => void;

export type FailureStep = -1 | -2 | -3 | -4;

const DESC_MAX = 256;

/**
 * One download's progress as the platform sees it: 0, growing percentages, then 100 (or as much as
 * the download is of the whole) or the code of the failure. A resumed download begins with 0 as
 * well. How often they are sent is {@link Steps}' business.
 */
export class Reporter {
  readonly #size: number;
  readonly #send: SendStep;
  readonly #upTo: number;
  #percent = 0;

  /** @param upTo the percentage at which the image is complete. */
  constructor(size: number, send: SendStep, upTo = 100) {
    this.#size = size;
    this.#send = send;
    this.#upTo = upTo;
  }

  start(): void {
    this.#send(0, '', true);
  }

  /** Percentages only grow, even where the image is begun again; the last is for success alone. */
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

/** What the platform's console shows of a failure. */
export function failureText(error: unknown): string {
  const text = IotkitError.is(error) ? `${error.code}: ${error.message}` : 'upgrade failed';
  return text.slice(0, DESC_MAX);
}

/** Where the step is not that of the error's group. */
const exceptions: Readonly<Partial<Record<ErrorCode, FailureStep>>> = {
  ERR_TIMEOUT: -2,
  ERR_TOO_LONG: -2, // a redirect's URL
  ERR_TRUNCATED: -2,
  ERR_CHANGED: -2,
  ERR_BLOCK: -2,
  ERR_NOTICE_JSON: -1,
  ERR_NOTICE_FIELD: -1,
  ERR_NOTICE_CODE: -1,
  ERR_VERSION_REFUSED: -1,
  ERR_PUBLIC_KEY: -1,
};

/** By hundreds of the errors' numbers: network, TLS, MQTT, HTTP; firmware; files. */
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
