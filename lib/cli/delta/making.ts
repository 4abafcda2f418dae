// Tested by test/integration/delta-cli.test.ts
/** Makes a delta on a thread of its own: to sort an image takes minutes in which nobody would hear a signal. */
import { on } from 'node:events';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { throwIfAborted } from '../../base/signals';
import type { MakeProgress } from '../../delta/make';
import { CommandError } from '../errors';

/** What the thread is given. */
export interface MakeWork {
  readonly old: Uint8Array;
  readonly image: Uint8Array;
  readonly quality: number;
}

/** What it says, one of these at a time. */
export interface MakeMessage {
  readonly progress?: MakeProgress;
  readonly chunk?: Uint8Array;
  readonly failure?: { readonly code: string; readonly message: string };
  readonly isDone?: boolean;
}

/** The delta in chunks. Both images are the thread's from then on. */
export async function* made(
  work: MakeWork,
  onProgress: (progress: MakeProgress) => void,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  throwIfAborted(signal);
  const transferList = [work.old, work.image].filter(isWhole).map(({ buffer }) => buffer);
  const worker = new Worker(path.join(__dirname, 'make-thread.js'), {
    workerData: work,
    transferList: [...new Set(transferList)] as ArrayBuffer[],
  });
  try {
    for await (const [message] of on(worker, 'message', { signal, close: ['exit'] })) {
      const { progress, chunk, failure, isDone } = message as MakeMessage;
      if (failure !== undefined) {
        throw new CommandError(failure.code, failure.message);
      }
      if (progress !== undefined) onProgress(progress);
      if (chunk !== undefined) yield chunk;
      if (isDone === true) return;
    }
    throw new Error('the thread that makes the delta has ended before it was done');
  } catch (error) {
    throwIfAborted(signal);
    throw error;
  } finally {
    await worker.terminate();
  }
}

/** Small files are read into memory that others share. */
function isWhole({ buffer, byteLength }: Uint8Array): boolean {
  return buffer.byteLength === byteLength && byteLength > 0;
}
