// Tested by test/unit/install/agent.test.ts
/** The time as the agent has it: a test gives it another. */
import { abortable } from '../base/signals';

/** @internal */
export interface Clock {
  /** Milliseconds since the epoch, for times of day: somebody may set it while an update waits. */
  now(): number;
  /** Milliseconds since some moment, for durations: nobody sets it. */
  elapsed(): number;
  /** Resolves after so many milliseconds; rejects with the signal's reason. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** What a timer of Node.js takes. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** @internal That of this machine. */
export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  async sleep(ms, signal) {
    for (let left = ms; left > 0; left -= TIMER_MAX_MS) {
      let timer: NodeJS.Timeout | undefined;
      const rung = new Promise<void>((resolve) => {
        timer = setTimeout(() => resolve(), Math.min(left, TIMER_MAX_MS));
      });
      try {
        await abortable(rung, signal);
      } finally {
        clearTimeout(timer);
      }
    }
  },
};
