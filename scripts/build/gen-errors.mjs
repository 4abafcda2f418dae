// Writes lib/generated/error-codes.ts from the error table of the C SDK, so that a code is defined in one place.
import fs from 'node:fs';
import { at } from '../lib/paths.mjs';
import { StepError } from '../lib/run.mjs';

const header = 'deps/iotkit/include/iotkit_errors.h';
const target = 'lib/generated/error-codes.ts';

const row = /\bX\(\s*(\w+)\s*,\s*(-?\d+)\s*,\s*([01])\s*,\s*((?:"(?:[^"\\]|\\.)*"\s*)+)\)/g;

/** The rows X(NAME, value, retryable, "sentence") of the table; throws on what has another shape or stands twice. */
export function parseErrors(text) {
  const macro = /^#define IOTKIT_ERROR_MAP\(X\)((?:.*\\\n)*.*\n)/m.exec(text)?.[1] ?? '';
  const body = macro.replaceAll('\\\n', '\n').replaceAll(/\/\*[\s\S]*?\*\//g, '');
  const rest = body.replaceAll(row, '').trim();
  if (body.trim() === '' || rest !== '') {
    throw new StepError(
      `${header}: expected rows X(NAME, value, 0|1, "sentence"), found: ${rest.split('\n')[0] || 'none'}`,
    );
  }
  const errors = [...body.matchAll(row)].map(([, name, value, retryable, literals]) => ({
    code: `ERR_${name}`,
    errno: Number(value),
    retryable: retryable === '1',
    sentence: [...literals.matchAll(/"(?:[^"\\]|\\.)*"/g)]
      .map(([literal]) => JSON.parse(literal))
      .join(''),
  }));
  for (const key of ['code', 'errno']) {
    const seen = new Set();
    for (const error of errors) {
      if (seen.has(error[key])) throw new StepError(`${header}: ${error[key]} stands there twice`);
      seen.add(error[key]);
    }
  }
  return errors;
}

export function toTypeScript(errors) {
  const rows = errors.map(
    ({ code, errno, retryable, sentence }) =>
      `  ${code}: { errno: ${errno}, retryable: ${retryable}, sentence: ${JSON.stringify(sentence)} },`,
  );
  return `// Made by scripts/build/gen-errors.mjs from ${header}. Do not edit.

/** Every error of the C SDK: its number, whether the same call may succeed later, and its sentence. */
export const errorCodes = {
${rows.join('\n')}
} as const;

/** The stable string code of an error. */
export type ErrorCode = keyof typeof errorCodes;

/** The code of an error number. */
export const codeByErrno: ReadonlyMap<number, ErrorCode> = new Map(
  (Object.keys(errorCodes) as ErrorCode[]).map((code) => [errorCodes[code].errno, code]),
);
`;
}

fs.mkdirSync(at('lib/generated'), { recursive: true });
fs.writeFileSync(at(target), toTypeScript(parseErrors(fs.readFileSync(at(header), 'utf8'))));
