/**
 * This room holds what every other room needs and that knows nothing of them: errors (made of the C
 * SDK's table, lib/generated), checks of arguments, iterators, signals, diagnostics channels. It
 * may import lib/generated and nothing else of lib.
 */
import { types } from 'node:util';
import { codeByErrno, type ErrorCode, errorCodes } from '../generated/error-codes';

export type { ErrorCode };

const brand: unique symbol = Symbol.for('iotkit-ota.IotkitError') as never;

/**
 * What a refused argument throws: a `TypeError` (wrong kind) or `RangeError` (out of range) whose
 * message names the option and what was given, never a secret. Nothing has been sent or written.
 */
export type InvalidArgument = (TypeError | RangeError) & {
  /** Tells it from the TypeErrors of others. */
  readonly code: 'ERR_INVALID_ARGUMENT';
};

/**
 * Every failure of an operation. `code` is stable: compare that, not the message.
 *
 * Recognise it with {@link IotkitError.isIotkitError}, which also works across realms, copies of the
 * package and the 'error' event of a worker; `instanceof` does not. What structuredClone() and
 * postMessage() leave of any error is its message: {@link IotkitError.from} makes it whole again. A
 * cancelled operation rejects with its signal's reason instead.
 *
 * @example
 * try {
 *   await upgrade.download('/var/lib/app/firmware.bin');
 * } catch (error) {
 *   if (IotkitError.isIotkitError(error) && error.code === 'ERR_DIGEST_MISMATCH') …
 * }
 */
export class IotkitError extends Error {
  /** Stable name of the failure, such as `ERR_TLS_CERTIFICATE`. */
  readonly code: ErrorCode;
  /** The number of the C SDK for it, negative. */
  readonly errno: number;
  /** Whether the same call may succeed later although nothing was changed. */
  readonly retryable: boolean;
  /**
   * What exactly went wrong (a field, a status, a path), or `''`. Never a secret.
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
   * realm, or what the 'error' event of a worker makes of one.
   */
  static isIotkitError(value: unknown): value is IotkitError {
    return typeof value === 'object' && value !== null && (brand in value || isLikeOne(value));
  }

  /** The same as {@link IotkitError.isIotkitError}. */
  static is(value: unknown): value is IotkitError {
    return IotkitError.isIotkitError(value);
  }

  /**
   * The IotkitError that `value` is, or was before structuredClone() or postMessage(); undefined: it
   * is another error, or none.
   */
  static from(value: unknown): IotkitError | undefined {
    if (IotkitError.isIotkitError(value)) return value;
    if (!types.isNativeError(value)) return undefined;
    const { message, cause, stack } = value;
    for (const [code, { sentence }] of Object.entries(errorCodes)) {
      if (message !== sentence && !message.startsWith(`${sentence}: `)) continue;
      const detail = message.slice(sentence.length + 2);
      const error = new IotkitError(
        code as ErrorCode,
        detail,
        cause === undefined ? {} : { cause },
      );
      return Object.defineProperty(error, 'stack', { value: stack });
    }
    return undefined;
  }

  /** @internal */
  get [brand](): true {
    return true;
  }

  static {
    Object.defineProperty(IotkitError.prototype, 'name', {
      value: 'IotkitError',
      writable: true,
      configurable: true,
    });
  }
}

// Without the brand: symbols are lost where an error is taken apart and put together again.
function isLikeOne(value: object): boolean {
  const { name, code, retryable } = value as Partial<IotkitError>;
  return (
    name === 'IotkitError' &&
    typeof retryable === 'boolean' &&
    Object.hasOwn(errorCodes, code ?? '')
  );
}
