/** The image into a writer of the user's. */
import type { ChunkReader } from './chunks';
import type { Run } from './run';
import type { ImageWriter } from './targets';

/** What the platform is told of a writer that throws: writing failed. */
const WRITING_FAILED = -4;

/**
 * Ends the run, and throws what it fails with. The writer is closed last, when all else is in place:
 * that may be what makes the image count.
 */
export async function writeImage(
  run: Run,
  writer: ImageWriter,
  openReader: () => ChunkReader,
): Promise<void> {
  const { size } = run.upgrade;
  let reader: ChunkReader | undefined;
  let step: typeof WRITING_FAILED | undefined;
  let isClosed = false;
  try {
    reader = openReader();
    let offset = 0;
    for (;;) {
      const chunk = await reader.next();
      if (chunk === undefined) break;
      step = WRITING_FAILED;
      await writer.write(chunk, offset);
      step = undefined;
      offset += chunk.byteLength;
      run.received(offset);
      reader.lend(chunk.buffer);
      if (offset === size) reader.settle();
    }
    isClosed = true;
    step = WRITING_FAILED;
    await writer.close?.();
  } catch (error) {
    await reader?.close();
    if (!isClosed) await abort(writer, run.reasonOf(error));
    throw run.fail(error, step);
  }
  await reader.close();
  run.succeed();
}

// Why it failed is told already; what the writer says to that adds nothing.
async function abort(writer: ImageWriter, reason: unknown): Promise<void> {
  try {
    await writer.abort?.(reason);
  } catch {}
}
