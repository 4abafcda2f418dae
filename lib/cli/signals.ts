// Tested by test/integration/download-command.test.ts
/** Commands that SIGHUP, SIGINT and SIGTERM end in order. */
import { type EndingSignal, exitCodeOfSignal } from './exit-codes';

const signals: readonly EndingSignal[] = ['SIGHUP', 'SIGINT', 'SIGTERM'];

/** Why a command has ended. */
export class Stopped extends Error {
  readonly code = 'ERR_ABORTED';
  readonly exitCode: number;

  /** @param left what has become of what was done */
  constructor(signal: EndingSignal, left: string) {
    super(`ended by ${signal}; ${left}`);
    this.exitCode = exitCodeOfSignal(signal);
  }
}

/** The signal aborts with a {@link Stopped}. */
export async function stoppable<T>(
  work: (signal: AbortSignal) => Promise<T>,
  left = 'what has been received stays for the next call',
): Promise<T> {
  const ending = new AbortController();
  const release = onEndingSignal((signal) => ending.abort(new Stopped(signal, left)));
  try {
    return await work(ending.signal);
  } finally {
    release();
  }
}

/**
 * Calls it for each of them until what it returns is called. None of them ends the process meanwhile, a second one
 * neither: what it has started, such as an installer, would go on without it.
 */
export function onEndingSignal(call: (signal: EndingSignal) => void): () => void {
  const heard = (signal: NodeJS.Signals): void => call(signal as EndingSignal);
  for (const signal of signals) process.on(signal, heard);
  return () => {
    for (const signal of signals) process.off(signal, heard);
  };
}
