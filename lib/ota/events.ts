/** What the listeners of a device hear of its upgrades. */
import type { IotkitError } from '../base/errors';
import type { DownloadRun } from '../download/run';
import type { Upgrade } from './upgrade';

/** What is emitted to the listeners of a device. */
export interface UpgradeEventMap {
  /** An upgrade is offered: an iteration gets it, or it waits for one. */
  readonly upgrade: Upgrade;
  /**
   * A notice, an answer of the platform or a subscription was refused, or an upgrade that nobody has
   * taken was dropped; the error says which and why.
   */
  readonly refused: IotkitError;
}

/** @internal Of consumptions; for the log of the device. */
export interface RunEventMap {
  readonly runStart: DownloadRun;
  readonly runEnd: DownloadRun;
}

type Events = UpgradeEventMap & RunEventMap;

/** @internal The listeners of a device, who may hear of more. */
export interface EmitsUpgrades {
  emit<E extends keyof Events>(event: E, value: Events[E]): void;
}
