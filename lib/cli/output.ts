// Tested by test/unit/cli/output.test.ts
/** How commands write: results on stdout, all else on stderr. Nothing of it steers the terminal. */
import { escapeSteering, printable } from './printable';

/** A result, for people. */
export function print(text: string): void {
  process.stdout.write(`${printable(text)}\n`);
}

/** A result, for programs. */
export function printJson(value: unknown, indent?: number): void {
  process.stdout.write(`${jsonOf(value, indent)}\n`);
}

/** What is no result: a warning, or why there is none. */
export function complain(text: string): void {
  process.stderr.write(`${printable(text)}\n`);
}

/**
 * What the process is warned of, such as a release that cannot be removed, instead of the lines of Node.js.
 * Tested by test/integration/agent-command.test.ts, as a test's process is not the real one.
 */
export function onWarning(say: (message: string) => void): void {
  process.removeAllListeners('warning');
  process.on('warning', ({ message, code }: NodeJS.ErrnoException) => {
    say(code === undefined ? message : `${message} (${code})`);
  });
}

/** JSON that a program reads as any other, and that a terminal can show. */
export function jsonOf(value: unknown, indent?: number): string {
  return escapeSteering(JSON.stringify(value, undefined, indent));
}
