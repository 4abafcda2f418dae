'use strict';
// 200,000 reports that nobody awaits one by one: see reports.test.ts. Says whether few steps were sent, and the last.
const { FakePlatform } = require('iotkit-ota/testing');

(async () => {
  const platform = new FakePlatform();
  const { ota } = platform.device;
  const reports = [];
  for (let i = 0; i < 200_000; i += 1) reports.push(ota.reportProgress(1 + (i % 98)));
  reports.push(ota.reportProgress(99, { desc: 'the last' }));
  await Promise.all(reports);
  const { steps } = platform;
  process.stdout.write(JSON.stringify({ last: steps.at(-1), few: steps.length < 1000 }));
  await platform.device.close();
})();
