// Tested by test/unit/delta/result-file.test.ts
import { type ErrorCode, IotkitError } from '../base/errors';

const codes: Readonly<Record<string, ErrorCode>> = {
  EACCES: 'ERR_FILE_ACCESS',
  EPERM: 'ERR_FILE_ACCESS',
  EROFS: 'ERR_FILE_ACCESS',
  ENOENT: 'ERR_FILE_NOT_FOUND',
  ENOTDIR: 'ERR_FILE_NOT_FOUND',
  ERR_FS_FILE_TOO_LARGE: 'ERR_TOO_LONG',
  ENOSPC: 'ERR_NO_SPACE',
  EDQUOT: 'ERR_NO_SPACE',
};

/** The error for what the system refused to do with a file; `what` names it. */
export function fileError(what: string, cause: unknown): IotkitError {
  if (IotkitError.is(cause)) return cause;
  const { code = '', message } = cause as NodeJS.ErrnoException;
  return new IotkitError(codes[code] ?? 'ERR_FILE', `${what}: ${message}`, { cause });
}
