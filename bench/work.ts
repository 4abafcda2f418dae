import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { Cost } from './measure';

/** What is fetched, checked and written. */
export interface Download {
  readonly url: string;
  /** PEM to trust. */
  readonly ca: string;
  readonly method: 'md5' | 'sha256';
  /** Lower-case hex. */
  readonly digest: string;
  readonly size: number;
  /** File to write. */
  readonly target: string;
}

/** In the child: what the parent wants done. */
export async function receiveWork<Work>(): Promise<Work> {
  // A parent that is gone wants nothing any more.
  process.once('disconnect', () => process.exit());
  const [work] = (await once(process, 'message')) as [Work];
  return work;
}

/** In the child: the answer. The process then ends by itself. */
export function reply(cost: Cost): void {
  process.send?.(cost, () => process.disconnect());
}

/** Runs a compiled script in a fresh process and gives it its work; rejects when it fails. */
export async function inChild<Work extends object>(script: string, work: Work): Promise<Cost> {
  const child = fork(script, [], { execArgv: ['--expose-gc'], stdio: 'inherit' });
  const closed = once(child, 'close') as Promise<[number | null, string | null]>;
  let answer: Cost | undefined;
  child.on('message', (cost) => {
    answer = cost as Cost;
  });
  child.send(work);
  const [code, signal] = await closed;
  if (answer === undefined || code !== 0) {
    throw new Error(`${script} ended with ${signal ?? code} and ${answer ? 'a' : 'no'} result`);
  }
  return answer;
}
