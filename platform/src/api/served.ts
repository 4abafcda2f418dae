import type { Log } from '../base/log';
import type { StateProblem } from '../base/problems';
import type { Configs } from '../configs/configs';
import type { Devices } from '../devices/devices';
import type { Products } from '../devices/products';
import type { Faults } from '../faults/faults';
import type { FirmwareStore } from '../firmware/store';
import type { Gateways } from '../gateways/gateways';
import type { Authorities } from '../identities/authorities';
import type { Certificates } from '../identities/certificates';
import type { Registrations } from '../identities/registration';
import type { Logs } from '../logs/logs';
import type { Messages } from '../messages/messages';
import type { Upgrades } from '../upgrades/upgrades';

/** The part of the platform that the operator API gives access to. */
export interface Served {
  readonly products: Products;
  readonly devices: Devices;
  readonly registrations: Registrations;
  readonly authorities: Authorities;
  readonly certificates: Certificates;
  readonly gateways: Gateways;
  readonly firmware: FirmwareStore;
  readonly upgrades: Upgrades;
  readonly configs: Configs;
  readonly logs: Logs;
  readonly messages: Messages;
  readonly faults: Faults;
  /** How the platform is. */
  readonly health: () => {
    readonly state: { readonly degraded: boolean; readonly reason?: string };
    readonly broker: { readonly connected: boolean; readonly reason?: string };
    readonly problems: readonly StateProblem[];
  };
  readonly ports: object;
  readonly firmwareUrl: string;
  readonly operatorToken: string;
  readonly log: Log | undefined;
}
