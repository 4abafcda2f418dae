// base/: what every room may use: errors with stable codes, and the clock. Imports nothing.

/** Codes of {@link PlatformError} and the HTTP status the operator API answers with. */
const STATUS = {
  ERR_INVALID_ARGUMENT: 400,
  ERR_UNAUTHORIZED: 401,
  ERR_NOT_FOUND: 404,
  ERR_DEVICE_UNKNOWN: 404,
  ERR_PRODUCT_UNKNOWN: 404,
  ERR_TOKEN_UNKNOWN: 404,
  ERR_CERTIFICATE_UNKNOWN: 404,
  ERR_AUTHORITY_UNKNOWN: 404,
  ERR_RELATION_UNKNOWN: 404,
  ERR_FIRMWARE_UNKNOWN: 404,
  ERR_UPGRADE_UNKNOWN: 404,
  ERR_CONFIG_UNKNOWN: 404,
  ERR_FAULT_UNKNOWN: 404,
  ERR_DEVICE_EXISTS: 409,
  ERR_PRODUCT_EXISTS: 409,
  ERR_CERTIFICATE_EXISTS: 409,
  ERR_AUTHORITY_EXISTS: 409,
  ERR_DEVICE_IN_USE: 409,
  ERR_FIRMWARE_EXISTS: 409,
  ERR_FIRMWARE_IN_USE: 409,
  ERR_UPGRADE_STATE: 409,
  ERR_FAULT_UNSUPPORTED: 409,
  ERR_DEVICE_OFFLINE: 409,
  ERR_NOT_SUBSCRIBED: 409,
  ERR_UNSUPPORTED: 409,
  ERR_FIRMWARE_TOO_LARGE: 413,
  ERR_CONFIG_TOO_LARGE: 413,
  ERR_STATE_LOCKED: 500,
  ERR_STATE: 500,
  ERR_STATE_FULL: 507,
  ERR_INTERNAL: 500,
  ERR_LISTEN: 500,
  ERR_TLS: 500,
  ERR_BROKER: 502,
  ERR_CLOSED: 503,
  ERR_CALL_TIMEOUT: 504,
} as const;

/** Stable names of what may go wrong. */
export type PlatformErrorCode = keyof typeof STATUS;

/** The one class of errors of this package. */
export class PlatformError extends Error {
  override readonly name = 'PlatformError';
  readonly code: PlatformErrorCode;

  constructor(code: PlatformErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }

  /** HTTP status the operator API answers with. */
  get status(): number {
    return STATUS[this.code];
  }
}

/** Error about an argument of the caller. */
export function invalid(message: string): PlatformError {
  return new PlatformError('ERR_INVALID_ARGUMENT', message);
}

/** Whether an error, or what caused it, is that there is no room left. */
export function isFull(error: unknown): boolean {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown };
  if (code === 'ENOSPC' || code === 'EDQUOT') return true;
  if (/no space left|quota exceeded/i.test(messageOf(error))) return true;
  return cause !== undefined && isFull(cause);
}

/** Text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
