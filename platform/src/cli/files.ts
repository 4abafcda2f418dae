import { stat } from 'node:fs/promises';
import { invalid, messageOf } from './errors';

/** Size of a file to upload; an error for what is not one. */
export async function sizeOf(file: string): Promise<number> {
  try {
    const found = await stat(file);
    if (found.isFile()) return found.size;
  } catch (error) {
    throw invalid(messageOf(error));
  }
  throw invalid(`${file} is not a file`);
}
