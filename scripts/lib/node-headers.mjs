// Where the C headers of Node.js are, so that compiling the addon needs no download: the folder npm
// is told (nodedir), the one this Node was installed with, or one made from the package
// node-api-headers, which is all a Node-API addon needs. node-gyp wants a folder with
// include/node/{node_api.h,common.gypi,config.gypi}.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { at } from './paths.mjs';

/** The folder for node-gyp's --nodedir, or undefined if node-gyp has to download headers. */
export async function findHeaders() {
  const beside = path.resolve(path.dirname(fs.realpathSync(process.execPath)), '..');
  const told = process.env.npm_config_nodedir || process.env.npm_package_config_node_gyp_nodedir;
  return [told, beside].find((folder) => folder && isComplete(folder)) ?? makeFromPackage();
}

const isComplete = (folder) =>
  ['node_api.h', 'common.gypi'].every((name) =>
    fs.existsSync(path.join(folder, 'include', 'node', name)),
  );

// node-gyp reads common.gypi for the flags of the runtime. A Node-API addon needs none of V8's,
// only what this says.
const commonGypi = `{
  'variables': { 'openssl_fips%': '', 'clang%': 0, 'llvm_version%': '0.0' },
  'target_defaults': {
    'default_configuration': 'Release',
    'configurations': {
      'Debug': { 'defines': ['DEBUG', '_DEBUG'], 'cflags': ['-g', '-O0'] },
      'Release': { 'cflags': ['-O3'] },
    },
    'defines': ['_FILE_OFFSET_BITS=64'],
    'cflags': ['-pthread', '-fPIC'],
    'ldflags': ['-pthread'],
  },
}
`;

function makeFromPackage() {
  const headers = packageHeaders();
  if (!headers) return undefined;
  const nodedir = at('.cache', 'node-headers');
  const target = path.join(nodedir, 'include', 'node');
  fs.mkdirSync(target, { recursive: true });
  fs.cpSync(headers, target, { recursive: true });
  fs.writeFileSync(path.join(target, 'common.gypi'), commonGypi);
  fs.writeFileSync(path.join(target, 'config.gypi'), JSON.stringify(process.config));
  return nodedir;
}

function packageHeaders() {
  try {
    return createRequire(at('package.json'))('node-api-headers').include_dir;
  } catch {
    return undefined;
  }
}
