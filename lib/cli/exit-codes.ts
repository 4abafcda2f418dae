// Tested by test/unit/cli/exit-codes.test.ts
/** How a command ends, for the script that runs it. The table stands in docs/agent.md. */
import { isInvalidArgument } from '../base/arguments';
import type { ErrorCode } from '../base/errors';
import { CommandError, ConfigError } from './errors';
import { jsonOf } from './output';

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

/** Of a file that was named, such as `--ca ca.pem`. */
export function unreadable(name: string, cause: unknown): CommandError {
  const { code } = cause as NodeJS.ErrnoException;
  const why = `${name} cannot be read: ${code}`;
  if (code === 'EACCES' || code === 'EPERM') {
    return new CommandError('ERR_FILE_ACCESS', why);
  }
  return new CommandError('ERR_FILE_NOT_FOUND', why);
}

export function emptyImage(name: string): CommandError {
  return new CommandError('ERR_SIZE_MISMATCH', `${name} is empty`);
}

/** All that do not end a command with 1. */
const codesBy: Readonly<Record<number, readonly (ErrorCode | 'ERR_CONSENT')[]>> = {
  [exitCodes.usage]: [
    'ERR_INVALID_ARGUMENT',
    'ERR_TOO_LONG',
    'ERR_URL',
    'ERR_URL_SCHEME',
    'ERR_NOTICE_JSON',
    'ERR_NOTICE_FIELD',
    'ERR_DIGEST_METHOD',
    'ERR_INSTALL_SETUP',
  ],
  [exitCodes.image]: [
    'ERR_DIGEST_MISMATCH',
    'ERR_SIZE_MISMATCH',
    'ERR_SIGNATURE',
    'ERR_SIGNATURE_MISSING',
    'ERR_CHANGED',
    'ERR_INSTALL_REFUSED',
    'ERR_DELTA_FORMAT',
    'ERR_DELTA_BASE',
    'ERR_DELTA_RESULT',
  ],
  [exitCodes.input]: ['ERR_FILE_NOT_FOUND', 'ERR_TLS_CA', 'ERR_TLS_IDENTITY', 'ERR_PUBLIC_KEY'],
  [exitCodes.unavailable]: [
    'ERR_TIMEOUT',
    'ERR_RESOLVE',
    'ERR_CONNECT',
    'ERR_CONNECTION_RESET',
    'ERR_CONNECTION_CLOSED',
    'ERR_NETWORK',
    'ERR_CONNECT_TIMEOUT',
    'ERR_IDLE_TIMEOUT',
    'ERR_NOT_CONNECTED',
    'ERR_TOO_SLOW',
    'ERR_TLS_UNAVAILABLE',
    'ERR_TLS',
    'ERR_TLS_CERTIFICATE',
    'ERR_TLS_HOSTNAME',
    'ERR_TLS_EXPIRED',
    'ERR_TLS_NOT_YET_VALID',
    'ERR_TLS_CLIENT_CERTIFICATE',
    'ERR_TLS_CLIENT_EXPIRED',
    'ERR_TLS_CLIENT_REVOKED',
    'ERR_MQTT_UNAVAILABLE',
    'ERR_MQTT_KEEP_ALIVE',
    'ERR_HTTP_PROTOCOL',
    'ERR_HTTP_HEAD_TOO_LARGE',
    'ERR_HTTP_STATUS',
    'ERR_HTTP_UNAVAILABLE',
    'ERR_HTTP_REDIRECTS',
    'ERR_HTTP_RANGE',
    'ERR_HTTP_ENCODING',
    'ERR_URL_EXPIRED',
    'ERR_PROXY',
    'ERR_PROXY_REFUSED',
    'ERR_TRUNCATED',
    'ERR_PLATFORM_UNAVAILABLE',
    'ERR_INSTALL_UNAVAILABLE',
  ],
  [exitCodes.disk]: ['ERR_NO_SPACE', 'ERR_FILE'],
  [exitCodes.busy]: ['ERR_BUSY', 'ERR_INSTALL_BUSY', 'ERR_FILE_LOCKED'],
  [exitCodes.forbidden]: [
    'ERR_VERSION_REFUSED',
    'ERR_HOST_NOT_ALLOWED',
    'ERR_TLS_REQUIRED',
    'ERR_HTTP_INSECURE_REDIRECT',
    'ERR_FILE_ACCESS',
    'ERR_CREDENTIALS_EXPOSED',
    'ERR_CONSENT',
  ],
};

const codes: ReadonlyMap<string, number> = new Map(
  Object.entries(codesBy).flatMap(([exit, list]) => list.map((code) => [code, Number(exit)])),
);

/** What the system says where no error of the package was made of it. */
const systemCodes: Readonly<Record<string, ErrorCode>> = {
  EACCES: 'ERR_FILE_ACCESS',
  EPERM: 'ERR_FILE_ACCESS',
  EROFS: 'ERR_FILE_ACCESS',
  ENOENT: 'ERR_FILE_NOT_FOUND',
  ENOTDIR: 'ERR_FILE_NOT_FOUND',
  EISDIR: 'ERR_FILE_NOT_FOUND',
  ENOSPC: 'ERR_NO_SPACE',
  EDQUOT: 'ERR_NO_SPACE',
  EIO: 'ERR_FILE',
};

/** @returns 1 for what no other exit code is for */
export function exitCodeOf(error: unknown): number {
  if (error instanceof ConfigError || isInvalidArgument(error)) return exitCodes.usage;
  const { exitCode } = Object(error) as { readonly exitCode?: unknown };
  if (typeof exitCode === 'number') return exitCode;
  return codes.get(errorJson(error).code) ?? exitCodes.failed;
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
    code: typeof code === 'string' ? (systemCodes[code] ?? code) : 'ERR',
    message: typeof message === 'string' ? message : String(error),
  };
}

/** What a command with `--json` prints in place of its result. */
export function failureJson(error: unknown): string {
  return jsonOf({ schema: 1, ok: false, error: errorJson(error) });
}
