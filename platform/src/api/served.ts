import type { Configs } from '../configs/configs';
import type { Devices } from '../devices';
import type { Upgrades } from '../engine/upgrades';
import type { Faults } from '../faults';
import type { FirmwareStore } from '../firmware/store';

/** What of the platform the operator API gives access to. */
export interface Served {
  readonly devices: Devices;
  readonly firmware: FirmwareStore;
  readonly upgrades: Upgrades;
  readonly configs: Configs;
  readonly faults: Faults;
  readonly ports: object;
  readonly firmwareUrl: string;
  readonly operatorToken: string;
}
