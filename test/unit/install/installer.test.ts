// The contract, kept by the machine that the tests of the agent run on.
import { testInstaller } from '../../support/installer-contract';
import { SimulatedMachine } from '../../support/simulated-machine';

testInstaller('the simulated machine', async () => new SimulatedMachine());
