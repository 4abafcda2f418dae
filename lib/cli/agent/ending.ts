/** The end of an agent whose device has ended. */
import { IotkitError } from '../../base/errors';
import type { Device } from '../../device/device';
import type { UpdateAgent } from '../../install/agent';
import type { UpdateModule } from '../../install/agent-options';

/**
 * Rejects when the connection was given up for good, with why: nothing more would happen, and whoever
 * supervises the agent can start it anew. A trial comes to its end first: it is decided without a
 * platform too, and each start of the agent is one of its tries.
 */
export async function untilGivenUp(
  device: Pick<Device, 'closed'>,
  agent: Pick<UpdateAgent, 'entry' | 'on'>,
  modules: readonly Pick<UpdateModule, 'module'>[] = [],
): Promise<never> {
  const error = await device.closed;
  await new Promise<void>((resolve) => {
    const look = (): void => {
      if (!modules.some(({ module }) => agent.entry(module)?.phase === 'trial')) resolve();
    };
    agent.on('state', look);
    look();
  });
  throw error ?? new IotkitError('ERR_CLOSED', 'the device was closed');
}
