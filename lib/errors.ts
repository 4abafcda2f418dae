import { codeByErrno, type ErrorCode, errorCodes } from './generated/error-codes';

export type { ErrorCode };

const brand: unique symbol = Symbol.for('iotkit-ota.IotkitError') as never;

/**
 * What a refused argument throws: a `TypeError` (wrong kind) or `RangeError` (out of range) whose
 * message names the option and what was given, never a secret. Nothing has been sent or written.
 */
export type InvalidArgument = (TypeError | RangeError) & { readonly code: 'ERR_INVALID_ARGUMENT' };

/**
 * Every failure of an operation. `code` is stable: compare that, not the message.
 *
 * Recognise it with {@link IotkitError.is}, which also works across realms and copies of the
 * package; `instanceof` does not. A cancelled operation rejects with its signal's reason instead.
 *
 * @example
 * try {
 *   await upgrade.download('/var/lib/app/firmware.bin');
 * } catch (error) {
 *   if (IotkitError.is(error) && error.code === 'ERR_DIGEST_MISMATCH') …
 * }
 */
export class IotkitError extends Error {
  /** Stable name of the failure, such as `ERR_TLS_CERTIFICATE`. */
  readonly code: ErrorCode;
  /** The number of the C SDK for it, negative. */
  readonly errno: number;
  /** Whether the same call may succeed later without anything being changed. */
  readonly retryable: boolean;
  /**
   * What exactly went wrong (a field, a status, a path); `''` if there is nothing to add. Never a
   * secret.
   */
  readonly detail: string;

  /** @internal */
  constructor(code: ErrorCode, detail = '', options?: ErrorOptions) {
    const { errno, retryable, sentence } = errorCodes[code];
    super(detail === '' ? sentence : `${sentence}: ${detail}`, options);
    this.code = code;
    this.errno = errno;
    this.retryable = retryable;
    this.detail = detail;
  }

  /** @internal */
  static fromErrno(errno: number, detail = '', options?: ErrorOptions): IotkitError {
    const code = codeByErrno.get(errno);
    if (code !== undefined) return new IotkitError(code, detail, options);
    return new IotkitError('ERR_INTERNAL', `${errno} ${detail}`.trimEnd(), options);
  }

  /**
   * Whether `value` is an IotkitError, of this or another copy of the package, in this or another
   * realm.
   */
  static is(value: unknown): value is IotkitError {
    return typeof value === 'object' && value !== null && brand in value;
  }

  /** @internal */
  get [brand](): true {
    return true;
  }

  get [Symbol.toStringTag](): string {
    return 'IotkitError';
  }

  static {
    Object.defineProperty(IotkitError.prototype, 'name', {
      value: 'IotkitError',
      writable: true,
      configurable: true,
    });
  }
}
