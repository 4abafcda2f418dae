/** Exit codes besides 0. */
export const EXIT = {
  failed: 1,
  usage: 2,
  unreachable: 3,
  notSucceeded: 4,
  degraded: 5,
} as const;

/** What a command ends with when it did not do all it was asked. */
export class CliError extends Error {
  readonly exitCode: number;
  /** A code of the platform, or one that it would have answered with. */
  readonly code: string | undefined;

  constructor(message: string, exitCode: number = EXIT.failed, code?: string) {
    super(message);
    this.exitCode = exitCode;
    this.code = code;
  }
}

/** The platform said no; `code` is its own. */
export class RequestError extends CliError {
  override readonly name = 'RequestError';

  constructor(code: string, message: string) {
    super(message, EXIT.failed, code);
  }
}

/** The platform could not be reached. */
export class UnreachableError extends CliError {
  override readonly name = 'UnreachableError';

  constructor(message: string) {
    super(message, EXIT.unreachable);
  }
}

/** What was waited for has ended, and not well on every device. */
export class NotSucceededError extends CliError {
  override readonly name = 'NotSucceededError';

  constructor(message: string) {
    super(message, EXIT.notSucceeded);
  }
}

/** The platform runs, and not everything of it works. */
export class DegradedError extends CliError {
  override readonly name = 'DegradedError';

  constructor(message: string) {
    super(message, EXIT.degraded);
  }
}

/** Error about an argument, before anything is sent. */
export function invalid(message: string): CliError {
  return new CliError(message, EXIT.failed, 'ERR_INVALID_ARGUMENT');
}

/** Text of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The stable name of an error, ours or the platform's; undefined for any other error. */
export function codeOf(error: unknown): string | undefined {
  // By name: the class would load a whole platform, which most commands do without.
  const isPlatformError = error instanceof Error && error.name === 'PlatformError';
  if (error instanceof CliError || isPlatformError) return (error as CliError).code;
  return undefined;
}
