// Tested by platform/test/state.test.ts

import type { StateProblem } from '../base/problems';
import type { BrokerHealth } from '../protocol/broker';
import type { StoreHealth } from '../store/store';

/** How a platform is. */
export interface Health {
  /** Whether records can be written. */
  readonly state: StoreHealth;
  /** Whether the broker can be used; always, where it is embedded. */
  readonly broker: BrokerHealth;
  /** What was found wrong in the state directory since the start. */
  readonly problems: readonly StateProblem[];
}
