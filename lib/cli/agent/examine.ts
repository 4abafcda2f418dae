// Tested by test/unit/cli/agent/examine.test.ts and test/integration/agent-command.test.ts
/** What the agent would refuse at its start, found in its configuration without starting it. */
import { checkOpenOptions } from '../../device/connect-options';
import { checkAgent } from '../../install/agent-options';
import type { UpdateDevice } from '../../install/reports';
import { checkWindow } from '../../install/window';
import type { AgentConfig } from './config';
import { expectAnswerable } from './control';
import { within } from './scope';

const nothing = {} as UpdateDevice['ota'];
const nobody: UpdateDevice = { state: 'closed', ota: nothing, on: () => nowhere() };

function nowhere(): never {
  throw new Error('nothing is connected here');
}

/** @throws ConfigError; IotkitError ERR_INSTALL_SETUP */
export function examineConfig({ device, agent }: AgentConfig): void {
  within('device', () => checkOpenOptions(device, process.env));
  if (agent.policy?.consent !== undefined) expectAnswerable(agent.record);
  const { window } = agent.policy ?? {};
  if (window !== undefined) within('policy', () => checkWindow(window));
  within('', () => checkAgent({ ...agent, device: nobody }, {}));
}
