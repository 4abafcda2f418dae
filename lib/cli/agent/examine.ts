// Tested by test/integration/agent-command.test.ts
/** What the agent would refuse at its start, found in its configuration without starting it. */
import { checkOpenOptions } from '../../device/connect-options';
import { checkAgent } from '../../install/agent-options';
import type { UpdateDevice } from '../../install/reports';
import type { AgentConfig } from './config';
import { expectAnswerable } from './control';

const nothing = {} as UpdateDevice['ota'];
const nobody: UpdateDevice = { state: 'closed', ota: nothing, on: () => nowhere() };

function nowhere(): never {
  throw new Error('nothing is connected here');
}

/** @throws ConfigError; InvalidArgument; IotkitError ERR_INSTALL_SETUP */
export function examineConfig({ device, agent }: AgentConfig): void {
  checkOpenOptions(device, process.env);
  if (agent.policy?.consent !== undefined) expectAnswerable(agent.record);
  checkAgent({ ...agent, device: nobody }, {});
}
