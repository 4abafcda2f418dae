/**
 * What a program needs of a device, as interfaces: for functions that a test shall be able to give
 * an object of its own. `iotkit-ota/testing` has a device that is whole.
 */
import type { IotkitError } from '../base/errors';
import type { Iteration } from '../base/feed';
import type { Subscription } from '../base/listeners';
import type { ConfigChange } from '../config/change';
import type { ConfigChangesOptions, ConfigGetOptions, RemoteConfig } from '../config/remote-config';
import type { DeviceLogs } from '../logs/device-logs';
import type { CheckOptions, NextUpgradeOptions, Ota, UpgradesOptions } from '../ota/ota';
import type { Upgrade } from '../ota/upgrade';
import type { Device, DeviceEventMap } from './device';
import type { DeviceState } from './states';

/** What an {@link Upgrade} is to a program. */
export type UpgradeLike = Pick<Upgrade, keyof Upgrade>;

type OtherOta = Omit<Ota, 'upgrades' | 'nextUpgrade' | 'check'>;

/** What {@link Ota} is to a program. */
export interface OtaLike extends OtherOta {
  /** As {@link Ota.upgrades}. */
  upgrades(options?: UpgradesOptions): Iteration<UpgradeLike>;
  /** As {@link Ota.nextUpgrade}. */
  nextUpgrade(options?: NextUpgradeOptions): Promise<UpgradeLike>;
  /** As {@link Ota.check}. */
  check(options?: CheckOptions): Promise<UpgradeLike | undefined>;
}

/** What a {@link ConfigChange} is to a program. */
export type ConfigChangeLike = Pick<ConfigChange, keyof ConfigChange>;

/** What {@link RemoteConfig} is to a program. */
export interface RemoteConfigLike extends Omit<RemoteConfig, 'get' | 'changes'> {
  /** As {@link RemoteConfig.get}. */
  get(options?: ConfigGetOptions): Promise<ConfigChangeLike | undefined>;
  /** As {@link RemoteConfig.changes}. */
  changes(options?: ConfigChangesOptions): Iteration<ConfigChangeLike>;
}

/** What {@link DeviceLogs} is to a program. */
export type DeviceLogsLike = Pick<DeviceLogs, keyof DeviceLogs>;

/** What listeners of a {@link DeviceLike} hear. */
export interface DeviceLikeEventMap extends Omit<DeviceEventMap, 'upgrade'> {
  /** As {@link DeviceEventMap.upgrade}. */
  readonly upgrade: UpgradeLike;
}

type Own =
  | 'ota'
  | 'config'
  | 'logs'
  | 'on'
  | 'ref'
  | 'unref'
  | 'state'
  | 'error'
  | 'closed'
  | 'gateway';
type OtherDevice = Omit<Device, Own>;

/** What a {@link Device}, or a {@link SubDevice}, is to a program. */
export interface DeviceLike extends OtherDevice {
  /** As {@link Device.ota}. */
  readonly ota: OtaLike;
  /** As {@link Device.config}. */
  readonly config: RemoteConfigLike;
  /** As {@link Device.logs}. */
  readonly logs: DeviceLogsLike;
  /** As {@link Device.closed}. */
  readonly closed: Promise<IotkitError | undefined>;
  /** As {@link Device.state}. */
  readonly state: DeviceState;
  /** As {@link Device.error}. */
  readonly error: IotkitError | undefined;
  /** As {@link Device.on}. */
  on<E extends keyof DeviceLikeEventMap>(
    event: E,
    listener: (value: DeviceLikeEventMap[E]) => void,
  ): Subscription;
  /** As {@link Device.ref}. */
  ref(): DeviceLike;
  /** As {@link Device.unref}. */
  unref(): DeviceLike;
}
