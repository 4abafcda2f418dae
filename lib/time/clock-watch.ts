/** Whether this machine's clock is wrong, told once for each connection. */
import type { NativeReading } from '../addon/binding';
import { IotkitError } from '../base/errors';

/** This machine's clock is wrong by more than a minute, or seems to be. */
export interface WrongClock {
  /**
   * What to add to this machine's clock, milliseconds; undefined: a certificate that is not valid yet
   * says that it is behind, and the platform could not be asked by how much.
   */
  readonly offset: number | undefined;
  /** `offset` is right by so many milliseconds. */
  readonly uncertainty: number | undefined;
  /** The failed check of a certificate (`ERR_TLS_NOT_YET_VALID`) that says so; undefined: the platform does. */
  readonly error: IotkitError | undefined;
}

const WRONG_BY_MS = 60_000;

/** @internal */
export class ClockWatch {
  readonly #report: (wrong: WrongClock) => void;
  #isReported = false;

  constructor(report: (wrong: WrongClock) => void) {
    this.#report = report;
  }

  /** There is a new connection: what is wrong is reported again. */
  connected(): void {
    this.#isReported = false;
  }

  /** The platform's time is known. Only what the uncertainty cannot explain is wrong. */
  measured({ offset, uncertainty }: NativeReading): void {
    if (Math.abs(offset) - uncertainty <= WRONG_BY_MS) return;
    this.#tell({ offset, uncertainty, error: undefined });
  }

  /** Something has failed, maybe by the clock. A certificate that has expired says nothing of it. */
  failed(error: unknown): void {
    if (!IotkitError.is(error) || error.code !== 'ERR_TLS_NOT_YET_VALID') return;
    this.#tell({ offset: undefined, uncertainty: undefined, error });
  }

  #tell(wrong: WrongClock): void {
    if (this.#isReported) return;
    this.#isReported = true;
    this.#report(wrong);
  }
}
