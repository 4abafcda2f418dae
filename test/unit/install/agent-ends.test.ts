import type { Installer, RestartOptions } from '../../../lib/install/installer';
import {
  begin,
  changed,
  life,
  machine,
  serviceOf,
  task,
  useMachine,
} from '../../support/running-agent';

// An agent that is ended in the middle of something.

useMachine();

test('an agent that is ended ends the restart that it waits for, of an update and of a roll back', async () => {
  const upgrade = task();
  let begun: () => void;
  const reboot = ({ signal }: RestartOptions = {}): Promise<void> =>
    new Promise((_, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason));
      begun();
    });
  await begin(upgrade);
  for (const back of [false, true]) {
    const isBegun = new Promise<void>((resolve) => {
      begun = resolve;
    });
    if (back) machine.booted = 'B';
    const service: Installer = { ...serviceOf(machine), restarts: 'service' };
    const agent = await life.open({
      installer: changed(service, { reboot }),
      health: { checks: [() => false], holdMs: 0, withinMs: 1 },
    });
    const run = agent.run().catch((error: unknown) => error);
    await isBegun;
    await agent.close();
    await run;
    expect(upgrade.state).toBe('open');
  }
});
