// Tested by test/integration/delta-cli.test.ts
/** The thread of making.ts. */
import { parentPort, workerData } from 'node:worker_threads';
import { type MakeProgress, makeDelta } from '../../delta/make';
import { errorJson } from '../exit-codes';
import type { MakeMessage, MakeWork } from './making';

const say = (message: MakeMessage): void => parentPort?.postMessage(message);

async function make({ old, image, quality }: MakeWork): Promise<void> {
  const onProgress = (progress: MakeProgress): void => say({ progress });
  for await (const chunk of makeDelta(old, image, { quality, onProgress })) say({ chunk });
  say({ isDone: true });
}

make(workerData as MakeWork).catch((error: unknown) => say({ failure: errorJson(error) }));
