// `npm test`: builds what is missing and runs jest. Arguments after `--` are jest's.
import { runBin } from './lib/run.mjs';
import { command, prepare } from './prepare.mjs';

await command(async () => {
  await prepare();
  await runBin('jest/bin/jest.js', process.argv.slice(2));
});
