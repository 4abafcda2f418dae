/** One way of consuming an image: JavaScript hands each chunk to a writer of the user's. */
import { IotkitError } from '../base/errors';
import type { ChunkReader } from './chunk-reader';
import type { DownloadRun } from './run';
import type { OpenWriter, WriterTarget } from './stream-writers';

/** The step that reports a writer that throws: writing failed. */
const WRITING_FAILED = -4;

/**
 * Takes the run to its end, and throws what it fails with. The writer is closed last, when every
 * other target has the image: closing may be what makes the image count.
 */
export async function writeImage(
  run: DownloadRun,
  target: WriterTarget,
  openReader: () => ChunkReader,
): Promise<void> {
  let warning = '';
  const writer = open(run, target, (given) => {
    warning = given;
  });
  let reader: ChunkReader | undefined;
  let step: typeof WRITING_FAILED | undefined;
  let isClosed = false;
  const unwatch = writer.watch?.((error) => run.breakOff(error, WRITING_FAILED));
  try {
    reader = openReader();
    for (let offset = 0; ; ) {
      const chunk = await reader.next();
      if (chunk === undefined) break;
      // Read before the writer has it: it may give the chunk's memory away.
      const end = offset + chunk.byteLength;
      step = WRITING_FAILED;
      await run.whileWanted(writer.write(chunk, offset));
      step = undefined;
      offset = end;
      run.received(offset);
      reader.lend();
      if (offset === run.upgrade.size) reader.settle();
    }
    isClosed = true;
    unwatch?.();
    step = WRITING_FAILED;
    run.entered('committing');
    await run.whileWanted(writer.close?.());
  } catch (error) {
    unwatch?.();
    await reader?.close();
    if (!isClosed) await abort(run, writer, run.reasonOf(error));
    throw run.fail(error, isOfDelta(error) ? undefined : step);
  }
  await reader.close();
  run.succeed(warning);
}

function open(run: DownloadRun, target: WriterTarget, warn: (warning: string) => void): OpenWriter {
  try {
    return target.open(warn);
  } catch (error) {
    throw run.fail(error, WRITING_FAILED);
  }
}

// The download has its reason to fail already; an error of abort() would add nothing to it.
async function abort(run: DownloadRun, writer: OpenWriter, reason: unknown): Promise<void> {
  if (run.abandoned) return;
  try {
    await run.whileWanted(writer.abort?.(reason));
  } catch {}
}

/** What came was no usable difference: its code says which step that is. */
function isOfDelta(error: unknown): boolean {
  return IotkitError.is(error) && error.code.startsWith('ERR_DELTA_');
}
