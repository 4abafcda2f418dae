// iotkit-ota as a device uses it: connected, the upgrade announced, then fetched. Runs in a
// process of its own.
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { type ConnectOptions, connect, type Upgrade } from 'iotkit-ota';
import { measure } from './measure';
import { receiveWork, reply } from './work';

/** What an announced upgrade is fetched into. */
export type Sink = 'file' | 'file-other' | 'chunks' | 'recycled';

export interface OurWork {
  readonly device: ConnectOptions;
  readonly sink: Sink;
  readonly target: string;
  readonly size: number;
}

void receiveWork<OurWork>().then(main);

async function main({ device: options, sink, target, size }: OurWork): Promise<void> {
  if (sink === 'file-other') useOtherThreads();
  const device = await connect(options);
  const upgrades = device.ota.upgrades();
  await device.ota.reportVersion('1.0.0');
  const { value: upgrade } = await upgrades.next();
  if (upgrade === undefined) throw new Error('no upgrade was announced');
  const cost = await measure(() => fetchInto(upgrade, sink, target, size));
  await device.close();
  reply(cost);
}

/** A second thread digests where it would not, and the other way round. */
function useOtherThreads(): void {
  const addon = path.resolve(__dirname, '../../../build/Release/iotkit_ota.node');
  const binding = require(addon) as { setDigestsBeside(beside: boolean): void };
  binding.setDigestsBeside(availableParallelism() < 4);
}

async function fetchInto(
  upgrade: Upgrade,
  sink: Sink,
  target: string,
  size: number,
): Promise<void> {
  if (sink === 'file' || sink === 'file-other') {
    await upgrade.download(target);
    return;
  }
  let received = 0;
  for await (const chunk of upgrade.chunks({ recycle: sink === 'recycled' })) {
    received += chunk.length;
  }
  if (received !== size) throw new Error(`${received} bytes came instead of ${size}`);
}
