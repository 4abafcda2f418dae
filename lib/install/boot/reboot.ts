// Tested by test/integration/install/slots.test.ts.
/** The restart of the machine, by the program that this machine has for it. */
import { existsSync } from 'node:fs';
import { runOrThrow } from '../child';
import { assertProgram } from '../program';

const TIMEOUT_MS = 60_000;

/**
 * @internal To be asked before an update: after it nothing else would restart into it.
 *
 * @throws IotkitError ERR_INSTALL_UNAVAILABLE
 */
export async function assertRestartable(command: readonly string[] | undefined): Promise<void> {
  const [program] = command ?? [];
  if (program !== undefined) await assertProgram(program);
}

/** @internal Resolves when the restart has been asked for. */
export async function restartMachine(
  command: readonly string[] | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  // The folder is there exactly where systemd is the first process.
  const usual = existsSync('/run/systemd/system') ? ['systemctl', 'reboot'] : ['reboot'];
  await runOrThrow({ argv: command ?? usual, timeoutMs: TIMEOUT_MS, signal });
}
