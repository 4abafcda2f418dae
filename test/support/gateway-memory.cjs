// A gateway with very many sub-devices that do nothing: what each of them takes. Run with --expose-gc.
const fs = require('node:fs');
const { connect } = require('iotkit-ota');

const { gateway, url, ca, subs } = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const count = subs.length;

/** What this process holds, once nothing is left to collect. */
async function held() {
  for (let i = 0; i < 6; i += 1) {
    global.gc();
    await new Promise(setImmediate);
  }
  const { heapUsed, external, arrayBuffers, rss } = process.memoryUsage();
  return { heap: heapUsed + external + arrayBuffers, rss };
}

async function main() {
  const device = await connect({ ...gateway, url, tls: { ca } });
  // The code is there, and has run once.
  await device.gateway.loginAll(subs.slice(0, 50));
  await device.gateway.logout();
  const before = await held();
  const began = performance.now();
  const outcomes = await device.gateway.loginAll(subs);
  const ms = performance.now() - began;
  const loggedIn = outcomes.filter(({ status }) => status === 'fulfilled').length;
  outcomes.length = 0;
  const after = await held();
  for (const sub of device.gateway.subDevices()) await sub.ota.reportVersion('1.0.0');
  const reported = await held();
  const each = (from, to) => ({
    heap: Math.round((to.heap - from.heap) / count),
    rss: Math.round((to.rss - from.rss) / count),
  });
  const found = {
    loggedIn,
    ms: Math.round(ms),
    idle: each(before, after),
    ota: each(after, reported),
  };
  process.stdout.write(`${JSON.stringify(found)}\n`);
  await device.close();
}

main().catch((error) => {
  process.stderr.write(`${error.stack}\n`);
  process.exit(1);
});
