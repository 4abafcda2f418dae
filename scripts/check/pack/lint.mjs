// The tarball as publint and "are the types wrong" see it: manifest, entry points, types in every kind of module
// resolution. Both are installed when they are first needed, as the runtimes of `npm run test:runtimes` are.
import fs from 'node:fs';
import path from 'node:path';
import { at } from '../../lib/paths.mjs';
import { npmCommand, run } from '../../lib/run.mjs';

const folder = at('.cache', 'package-lint');
const packages = { '@arethetypeswrong/cli': '0.18.5', publint: '0.3.25' };

export async function lintPackage(tarball) {
  await install();
  const attw = programOf('@arethetypeswrong/cli', 'attw');
  // Without a profile: node10, node16 from CommonJS and from ES modules, bundler; each entry of "exports".
  await run(process.execPath, [attw, tarball, '--no-color', '--format', 'ascii'], { quiet: true });
  await run(process.execPath, [programOf('publint', 'publint'), '--strict', tarball], {
    quiet: true,
  });
  console.log('attw and publint --strict find nothing');
}

const manifestOf = (name) => path.join(folder, 'node_modules', name, 'package.json');

function isInstalled([name, version]) {
  const manifest = manifestOf(name);
  return (
    fs.existsSync(manifest) && JSON.parse(fs.readFileSync(manifest, 'utf8')).version === version
  );
}

async function install() {
  if (Object.entries(packages).every(isInstalled)) return;
  fs.mkdirSync(folder, { recursive: true });
  const manifest = { name: 'package-lint', private: true, dependencies: packages };
  fs.writeFileSync(path.join(folder, 'package.json'), JSON.stringify(manifest));
  const [npm, ...first] = npmCommand();
  const options = ['--ignore-scripts', '--no-audit', '--no-fund'];
  await run(npm, [...first, 'install', ...options], { quiet: true, cwd: folder });
}

function programOf(name, program) {
  const manifest = manifestOf(name);
  const { bin } = JSON.parse(fs.readFileSync(manifest, 'utf8'));
  return path.join(path.dirname(manifest), typeof bin === 'string' ? bin : bin[program]);
}
