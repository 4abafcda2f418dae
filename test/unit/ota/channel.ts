/** An OTA channel over a connection that notes what is sent, for several tests. */
import type { NativeUpgradeInfo } from '../../../lib/addon/binding';
import { IotkitError } from '../../../lib/base/errors';
import { Listeners } from '../../../lib/base/listeners';
import type { RunEventMap, UpgradeEventMap } from '../../../lib/ota/events';
import { Ota } from '../../../lib/ota/ota';
import type { Upgrade } from '../../../lib/ota/upgrade';
import { FakeDevice, FakeJob } from '../support';

const open: Ota[] = [];

afterEach(async () => {
  const closed = new IotkitError('ERR_CLOSED');
  for (const ota of open.splice(0)) await ota.shutdown(closed);
});

/** A connection that notes what is sent, and an OTA channel on it. */
export function channel(rules: Partial<ConstructorParameters<typeof Ota>[2]> = {}) {
  const native = new FakeDevice();
  const { steps, questions } = native;
  const listeners = new Listeners<UpgradeEventMap & RunEventMap>();
  const device = {
    holdWhile: <T>(operation: Promise<T>) => operation,
    listeners,
    onReportSent: () => {},
  };
  const ota = new Ota(device, native, { newerOnly: false, allowVersion: undefined, ...rules });
  open.push(ota);
  let connects = 0;
  const connect = (): void => {
    native.isConnected = true;
    connects += 1;
    ota.onConnected(connects);
  };
  connect();
  const announce = (change: Partial<NativeUpgradeInfo> = {}): FakeJob => {
    const job = new FakeJob(change);
    ota.onUpgrade(job);
    return job;
  };
  const drop = (): void => {
    native.isConnected = false;
  };
  return { ota, native, steps, questions, announce, connect, drop, listeners };
}

/** What a consumer sees that has come so far. */
export async function offered(ota: Ota): Promise<Upgrade[]> {
  const stop = new AbortController();
  const upgrades: Upgrade[] = [];
  queueMicrotask(() => setImmediate(() => stop.abort()));
  try {
    for await (const upgrade of ota.upgrades({ signal: stop.signal })) upgrades.push(upgrade);
  } catch {
    // Nothing more has come.
  }
  return upgrades;
}

export async function take(ota: Ota): Promise<Upgrade> {
  const { value } = await ota.upgrades().next();
  return value as Upgrade;
}
