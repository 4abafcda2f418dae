// npm's prepare step. Where a program depends on this repository by a git address, npm clones it, installs what it is
// built with, runs this, and packs: so lib/ is compiled, and an addon for this machine, with its compiler. In a
// checkout it does nothing: `npm start` and `npm test` build what is missing.
import fs from 'node:fs';
import path from 'node:path';
import { at, root } from './lib/paths.mjs';
import { command, prepare } from './prepare.mjs';

await command(async () => {
  if (!isDependency() || process.env.IOTKIT_OTA_PREPARING) return;
  await prepare(['generate', 'ts', 'native']);
  const file = at('prebuilds', `${process.platform}-${process.arch}`, `iotkit-ota${tags()}.node`);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.copyFileSync(at('build', 'Release', 'iotkit_ota.node'), file);
});

// npm says where it was called; a checkout's own commands are called in it.
function isDependency() {
  const called = process.env.INIT_CWD;
  if (!called) return false;
  return path.relative(root, fs.realpathSync(called)).startsWith('..');
}

// As those who look for it expect: the version of ARM, the libc of Linux.
function tags() {
  const arm = process.arch === 'arm' ? `.armv${process.config.variables.arm_version}` : '';
  if (process.platform !== 'linux') return arm;
  return `${arm}.${process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl'}`;
}
