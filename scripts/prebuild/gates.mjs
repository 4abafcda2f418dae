// What every addon of a release keeps to. A fault here is one that only some machine far away would show: an addon that
// does not load, or one whose names meet those of the runtime.
import { readElf } from './elf.mjs';
import { readMachO } from './mach-o.mjs';

/** All that an addon exports, and must. */
export const EXPORTS = ['napi_register_module_v1', 'node_api_module_get_api_version_v1'];
/** Names that the runtime has. */
export const NODE_API = /^(?:napi|node_api)_/;
const NOW_AND_NODELETE = 0x1 | 0x8;

const machines = {
  'linux-x64': 62,
  'linux-arm64': 183,
  'linux-arm': 40,
  'darwin-x64': 0x01000007,
  'darwin-arm64': 0x0100000c,
};

// The parts of libc. Whoever needs another library does not load where that is missing.
const libc = /^(?:lib(?:c|m|dl|pthread|rt)\.so\.\d|ld-linux[-\w]*\.so\.\d)$/;

/** What is wrong with the addon `bytes` of a target; empty when nothing is. */
export function problemsOf(target, bytes) {
  const found = target.format === 'elf' ? readElf(bytes) : readMachO(bytes);
  return [
    ...sizeProblems(target, bytes),
    ...machineProblems(target, found),
    ...exportProblems(found),
    ...(target.format === 'elf' ? elfProblems(target, found) : machOProblems(found)),
  ];
}

function sizeProblems({ maxBytes }, { length }) {
  return length > maxBytes ? [`has ${length} bytes, at most ${maxBytes}`] : [];
}

function machineProblems({ folder }, { machine }) {
  return machine === machines[folder] ? [] : [`is for processor ${machine}, not for ${folder}`];
}

function exportProblems({ exported }) {
  const surplus = exported.filter((name) => !EXPORTS.includes(name));
  const missing = EXPORTS.filter((name) => !exported.includes(name));
  return [
    ...surplus.map((name) => `exports ${name}, which is no name of Node-API`),
    ...missing.map((name) => `does not export ${name}`),
  ];
}

function elfProblems({ floor, file }, found) {
  const problems = floor ? glibcProblems(floor, found) : muslProblems(found);
  if ((found.flags1 & NOW_AND_NODELETE) !== NOW_AND_NODELETE)
    problems.push('is not linked with -z now and -z nodelete');
  if (file.includes('armv7') && found.neon) problems.push('needs NEON');
  return problems;
}

function glibcProblems(floor, found) {
  const newer = found.undefined.filter(({ version }) => isNewer(version, floor));
  const nowhere = found.undefined.filter(
    ({ name, version, weak }) => !version && !weak && !NODE_API.test(name),
  );
  return [
    ...newer.map(
      ({ name, version }) => `needs ${name} of ${version}, and GLIBC_${floor} is promised`,
    ),
    ...nowhere.map(({ name }) => `needs ${name}, which GLIBC_${floor} does not have`),
    ...found.needed.filter((name) => !libc.test(name)).map((name) => `needs the library ${name}`),
  ];
}

function muslProblems({ undefined: names, needed }) {
  const versions = new Set(names.map(({ version }) => version).filter(Boolean));
  return [
    ...[...versions].map((version) => `needs ${version}, and musl has no versions`),
    ...needed.filter((name) => name !== 'libc.so').map((name) => `needs the library ${name}`),
  ];
}

function machOProblems({ undefined: names }) {
  return names
    .filter(({ name, anywhere }) => anywhere && !NODE_API.test(name))
    .map(({ name }) => `needs ${name}, which macOS does not have`);
}

const minorOf = (version) => Number(/^(?:GLIBC_)?2\.(\d+)/.exec(version)?.[1] ?? Number.NaN);

// A version that is none of glibc's numbers, such as GLIBC_PRIVATE, is newer than any.
function isNewer(version, floor) {
  return version !== undefined && !(minorOf(version) <= minorOf(floor));
}

/** The newest GLIBC that an addon needs, as "2.17"; undefined where it needs none. */
export function floorOf(bytes) {
  const minors = readElf(bytes).undefined.map(({ version }) => minorOf(version ?? ''));
  const known = minors.filter((minor) => !Number.isNaN(minor));
  return known.length > 0 ? `2.${Math.max(...known)}` : undefined;
}
