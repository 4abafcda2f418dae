import { testInstaller } from '../../support/installer-contract';
import { RaucMachine } from '../../support/rauc';

testInstaller('RAUC that activates what it installs', () => RaucMachine.open(true));
