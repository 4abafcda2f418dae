// The program that downloads, and is killed: nothing but the package's public API. Says in lines of JSON how it goes.
import { connect } from '../../dist/index.js';

const { device: identity, target, fetch } = JSON.parse(process.argv[2]);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

const device = await connect({ ...identity, fetch });
await device.ota.reportVersion('1.0.0');
const { value: upgrade } = await device.ota.upgrades().next();
say({ began: true });
let ends = 'ok';
try {
  await upgrade.download(target, { report: false });
} catch (error) {
  ends = error.code ?? String(error);
  say({ message: error.message });
}
await device.close();
say({ ends });
