/** How the addon is compiled from the packed sources, with no build tool but the compilers. */
import { createRequire } from 'node:module';
import path from 'node:path';

/** One call of a compiler; paths are relative to the package. */
export interface Step {
  readonly command: string;
  readonly args: readonly string[];
}

export interface Recipe {
  /** In any order, side by side; each makes one object file. */
  readonly compile: readonly Step[];
  readonly link: Step;
}

/** What `sources.json` lists: the groups of the C SDK, in groups of their own, and the shim. */
interface Sources {
  readonly iotkit: unknown;
  readonly native: readonly string[];
}

/** `native/flags.json`, which `binding.gyp` reads too. */
interface Flags {
  readonly compile: readonly string[];
  readonly c: readonly string[];
  readonly cc: readonly string[];
  readonly release: readonly string[];
  readonly sdkDefines: readonly string[];
  readonly nativeDefines: readonly string[];
  readonly linkLinux: readonly string[];
  readonly linkLinuxRelease: readonly string[];
  readonly linkDarwin: readonly string[];
}

/** Folders and the compilers, which the environment may name: CC, CXX, CFLAGS, CXXFLAGS, LDFLAGS. */
export interface Place {
  readonly root: string;
  /** Where object files go. */
  readonly objects: string;
  /** The addon to be. */
  readonly output: string;
  readonly env: NodeJS.ProcessEnv;
  readonly platform: NodeJS.Platform;
}

/** What is to be run to compile the addon. */
export function recipeOf(place: Place): Recipe {
  const load = createRequire(path.join(place.root, 'package.json'));
  const sources: Sources = load('./sources.json');
  const flags: Flags = load('./native/flags.json');
  const headers = [folderOf(load, 'node-api-headers', 'include'), folderOf(load, 'node-addon-api')];
  const sdk = filesOf(sources.iotkit).map((file) =>
    compileStep(place, file, [
      ...flags.c,
      ...sharedBy(flags, flags.sdkDefines),
      '-Ideps/iotkit/include',
      '-Ideps/iotkit/src',
    ]),
  );
  const shim = sources.native.map((file) =>
    compileStep(place, file, [
      ...flags.cc,
      ...sharedBy(flags, [...flags.nativeDefines, 'NODE_GYP_MODULE_NAME=iotkit_ota']),
      '-Inative',
      '-Ideps/iotkit/include',
      ...headers.flatMap((folder) => ['-isystem', folder]),
    ]),
  );
  const compile = [...sdk, ...shim];
  return { compile, link: linkStep(place, flags, [...sources.native, ...filesOf(sources.iotkit)]) };
}

function sharedBy(flags: Flags, defines: readonly string[]): string[] {
  const all = ['NDEBUG', ...defines];
  return [...flags.compile, ...flags.release, '-pthread', ...all.map((name) => `-D${name}`)];
}

function compileStep(place: Place, file: string, flags: readonly string[]): Step {
  const cc = file.endsWith('.c');
  const [command, ...first] = words((cc ? place.env.CC : place.env.CXX) || (cc ? 'cc' : 'c++'));
  const own = words(cc ? place.env.CFLAGS : place.env.CXXFLAGS);
  return {
    command: command ?? 'cc',
    args: [...first, ...flags, ...own, '-c', file, '-o', objectOf(place, file)],
  };
}

function linkStep(place: Place, flags: Flags, files: readonly string[]): Step {
  const [command, ...first] = words(place.env.CXX || 'c++');
  const linux = [
    '-Wl,--version-script=native/addon.map',
    ...flags.linkLinux,
    ...flags.linkLinuxRelease,
  ];
  const args = [
    ...first,
    '-shared',
    '-pthread',
    ...(place.platform === 'darwin' ? flags.linkDarwin : linux),
    ...words(place.env.LDFLAGS),
    '-o',
    place.output,
    ...files.map((file) => objectOf(place, file)),
    ...(place.platform === 'darwin' ? [] : ['-ldl']),
  ];
  return { command: command ?? 'c++', args };
}

/** A path becomes a name: base/url.c and http/url.c are two objects of one folder. */
function objectOf({ objects }: Place, file: string): string {
  return path.join(objects, `${file.replaceAll('/', '+')}.o`);
}

/** The C files among the strings of a tree of objects and lists. */
function filesOf(tree: unknown): string[] {
  if (typeof tree === 'string') return tree.endsWith('.c') ? [tree] : [];
  if (typeof tree !== 'object' || tree === null) return [];
  return Object.values(tree).flatMap(filesOf);
}

function folderOf(load: NodeJS.Require, name: string, ...below: string[]): string {
  return path.join(path.dirname(load.resolve(`${name}/package.json`)), ...below);
}

const words = (text = ''): string[] => text.split(/\s+/).filter(Boolean);
