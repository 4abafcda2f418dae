// Tested by test/integration/download-command.test.ts
/** A command that SIGINT and SIGTERM end in order. */
import { exitCodeOfSignal } from './exit-codes';

/** Why a command has ended. */
export class Stopped extends Error {
  readonly exitCode: number;

  /** @param left what has become of what was done */
  constructor(signal: 'SIGINT' | 'SIGTERM', left: string) {
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
  const stop = (signal: NodeJS.Signals): void =>
    ending.abort(new Stopped(signal as 'SIGINT' | 'SIGTERM', left));
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    return await work(ending.signal);
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}
