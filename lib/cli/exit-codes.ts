// Tested by test/unit/cli/exit-codes.test.ts
/** How a command ends, for the script that runs it. The table stands in docs/agent.md. */
import { isInvalidArgument } from '../base/arguments';
import { IotkitError } from '../base/errors';
import { ConfigError } from './agent/file';

/** Those of sysexits.h where it has one of the meaning. */
export const exitCodes = {
  done: 0,
  failed: 1,
  usage: 2,
  /** The image is not what it should be. */
  image: 65,
  /** What is to be read is not there. */
  input: 66,
  /** A program, an agent or a server that is needed cannot be reached. */
  unavailable: 69,
  /** The disk: full, or it cannot be written. */
  disk: 73,
  /** It may succeed later: something else is at work. */
  busy: 75,
  /** A rule forbids it: of versions, consent, hosts, TLS, permissions. */
  forbidden: 77,
} as const;

/** What a command says of itself, where no error of the package does. */
export class CommandError extends Error {
  readonly code: string;
  readonly exitCode: number;

  constructor(code: string, message: string, exitCode: number) {
    super(message);
    this.code = code;
    this.exitCode = exitCode;
  }
}

/** Of a file that was named, such as `--ca ca.pem`. */
export function unreadable(name: string, cause: unknown): CommandError {
  const { code } = cause as NodeJS.ErrnoException;
  const why = `${name} cannot be read: ${code}`;
  if (code === 'EACCES' || code === 'EPERM') {
    return new CommandError('ERR_FILE_ACCESS', why, exitCodes.forbidden);
  }
  return new CommandError('ERR_FILE_NOT_FOUND', why, exitCodes.input);
}

export function emptyImage(name: string): CommandError {
  return new CommandError('ERR_SIZE_MISMATCH', `${name} is empty`, exitCodes.image);
}

const codes: Readonly<Record<string, number>> = {
  ERR_URL: exitCodes.usage,
  ERR_URL_SCHEME: exitCodes.usage,
  ERR_DIGEST_MISMATCH: exitCodes.image,
  ERR_SIZE_MISMATCH: exitCodes.image,
  ERR_SIGNATURE: exitCodes.image,
  ERR_SIGNATURE_MISSING: exitCodes.image,
  ERR_CHANGED: exitCodes.image,
  ERR_INSTALL_REFUSED: exitCodes.image,
  ERR_DELTA_FORMAT: exitCodes.image,
  ERR_DELTA_BASE: exitCodes.image,
  ERR_DELTA_RESULT: exitCodes.image,
  ERR_FILE_NOT_FOUND: exitCodes.input,
  ERR_HTTP_STATUS: exitCodes.unavailable,
  ERR_URL_EXPIRED: exitCodes.unavailable,
  ERR_INSTALL_UNAVAILABLE: exitCodes.unavailable,
  ERR_NO_SPACE: exitCodes.disk,
  ERR_FILE: exitCodes.disk,
  ERR_BUSY: exitCodes.busy,
  ERR_INSTALL_BUSY: exitCodes.busy,
  ERR_FILE_LOCKED: exitCodes.busy,
  ERR_VERSION_REFUSED: exitCodes.forbidden,
  ERR_HOST_NOT_ALLOWED: exitCodes.forbidden,
  ERR_TLS_REQUIRED: exitCodes.forbidden,
  ERR_FILE_ACCESS: exitCodes.forbidden,
};

/** All others of a connection: -1101 … -1299 and -1401 … -1499 of the table of errors, and its end in time. */
function isOfNetwork({ errno, code }: IotkitError): boolean {
  if (code === 'ERR_TIMEOUT' || code === 'ERR_TRUNCATED') return true;
  return (errno <= -1101 && errno > -1300) || (errno <= -1403 && errno > -1500);
}

export function exitCodeOf(error: unknown): number {
  if (error instanceof ConfigError || isInvalidArgument(error)) return exitCodes.usage;
  const { code, exitCode } = Object(error) as {
    readonly code?: unknown;
    readonly exitCode?: unknown;
  };
  if (typeof exitCode === 'number') return exitCode;
  if (typeof code === 'string' && code.startsWith('ERR_PARSE_ARGS')) return exitCodes.usage;
  if (!IotkitError.is(error)) return exitCodes.failed;
  return codes[error.code] ?? (isOfNetwork(error) ? exitCodes.unavailable : exitCodes.failed);
}

/** Of a process that a signal has ended in order. */
export function exitCodeOfSignal(signal: EndingSignal): number {
  return { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 }[signal];
}

/** What a command is ended by in order: SIGHUP is the end of a terminal or of a session over the network. */
export type EndingSignal = 'SIGHUP' | 'SIGINT' | 'SIGTERM';

/** What programs read of an error. */
export function errorJson(error: unknown): { readonly code: string; readonly message: string } {
  const { code, message } = Object(error) as {
    readonly code?: unknown;
    readonly message?: unknown;
  };
  return {
    code: typeof code === 'string' ? code : 'ERR',
    message: typeof message === 'string' ? message : String(error),
  };
}

/** What a command with `--json` prints in place of its result. */
export function failureJson(error: unknown): string {
  return JSON.stringify({ schema: 1, ok: false, error: errorJson(error) });
}
