// `npm run prebuild`: builds the addon for this machine into prebuilds/<os>-<arch>/, to be packed into the npm tarball.
// prebuildify builds from scratch and takes the result away, so it works on a copy and leaves build/ alone.
import fs from 'node:fs';
import { findHeaders } from './lib/node-headers.mjs';
import { at } from './lib/paths.mjs';
import { runBin } from './lib/run.mjs';
import { command, prepare } from './prepare.mjs';

const inputs = [
  'binding.gyp',
  'package.json',
  'sources.json',
  'native',
  'deps/iotkit/include',
  'deps/iotkit/src',
];

await command(async () => {
  await prepare(['install']);
  const copy = at('.cache', 'prebuild');
  fs.rmSync(copy, { recursive: true, force: true });
  fs.mkdirSync(copy, { recursive: true });
  for (const input of inputs) fs.cpSync(at(input), `${copy}/${input}`, { recursive: true });
  fs.symlinkSync(at('node_modules'), `${copy}/node_modules`);
  const nodedir = await findHeaders();
  await runBin(
    'prebuildify/bin.js',
    ['--napi', '--strip', '--tag-libc', '--cwd', copy, '--out', at()],
    {
      quiet: true,
      env: nodedir ? { ...process.env, npm_config_nodedir: nodedir } : process.env,
    },
  );
  fs.rmSync(copy, { recursive: true });
  for (const folder of fs.readdirSync(at('prebuilds'))) {
    for (const name of fs.readdirSync(at('prebuilds', folder))) {
      console.log(
        `prebuilds/${folder}/${name}: ${Math.ceil(fs.statSync(at('prebuilds', folder, name)).size / 1024)} KiB`,
      );
    }
  }
});
