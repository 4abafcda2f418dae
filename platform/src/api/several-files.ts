import { invalid } from '../base/errors';
import type { FirmwareFileOptions } from '../firmware/options';

/** A file in a body that carries several in a row. */
interface Sized {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
}

/** Reads `[{"name":…,"size":…},…]`. */
export function parseFiles(text: string): readonly Sized[] {
  let files: unknown;
  try {
    files = JSON.parse(text);
  } catch {
    // The same error as for JSON that is something else.
  }
  if (Array.isArray(files) && files.length > 0 && files.every(isSized)) return files;
  throw invalid('files must be a JSON array of objects with name and size');
}

function isSized(file: unknown): file is Sized {
  if (typeof file !== 'object' || file === null) return false;
  const { name, size } = file as Partial<Sized>;
  return typeof name === 'string' && Number.isSafeInteger(size) && (size as number) > 0;
}

/** Splits a body into its files, which must be read in their order. */
export function splitFiles(
  body: AsyncIterable<Uint8Array>,
  files: readonly Sized[],
): FirmwareFileOptions[] {
  const chunks = body[Symbol.asyncIterator]();
  let rest: Uint8Array = new Uint8Array();
  async function* next(size: number, isLast: boolean): AsyncGenerator<Uint8Array> {
    let left = size;
    while (left > 0) {
      if (rest.length === 0) {
        const { done, value } = await chunks.next();
        if (done) throw invalid('the body ends before its last file');
        rest = value;
      }
      const chunk = rest.subarray(0, left);
      rest = rest.subarray(chunk.length);
      left -= chunk.length;
      yield chunk;
    }
    if (isLast && (rest.length > 0 || !(await chunks.next()).done)) {
      throw invalid('the body goes on behind its last file');
    }
  }
  return files.map(({ name, size }, index) => ({
    name,
    stream: next(size, index === files.length - 1),
  }));
}
