// For runtimes that know the syntax: the README's first lines.
import { connect, stats } from 'iotkit-ota';

const { ca, ...identity } = JSON.parse(process.env.DEVICE);
{
  await using device = await connect({ ...identity, tls: { ca } });
  await device.ota.reportVersion('1.0.0');
  for await (const upgrade of device.ota.upgrades()) {
    await upgrade.download(process.env.TARGET);
    break;
  }
}
console.log(JSON.stringify({ threads: stats().threads, holds: stats().holds }));
