import { fork } from 'node:child_process';
import { once } from 'node:events';
import type { Cost } from './measure';
import { pin } from './placement';

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
export function reply(answer: object): void {
  process.send?.(answer, () => process.disconnect());
}

/**
 * Runs a compiled script in a fresh process and gives it its work; rejects when it fails. `core`:
 * the one it is bound to.
 */
export async function inChild<Answer extends object = Cost>(
  script: string,
  work: object,
  core?: number,
): Promise<Answer> {
  const child = fork(script, [], { execArgv: ['--expose-gc'], stdio: 'inherit' });
  const closed = once(child, 'close') as Promise<[number | null, string | null]>;
  let answer: Answer | undefined;
  child.on('message', (told) => {
    answer = told as Answer;
  });
  if (core !== undefined) await pin(child.pid as number, String(core));
  child.send(work);
  const [code, signal] = await closed;
  if (answer === undefined || code !== 0) {
    throw new Error(`${script} ended with ${signal ?? code} and ${answer ? 'a' : 'no'} result`);
  }
  return answer;
}
