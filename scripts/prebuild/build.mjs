// One addon of a release: each source through clang's frontend, then one link. What the C++ library needs at run time
// is compiled from its sources too, with our flags and nothing that throws; its archive would bring a demangler,
// locales and an unwinder, half as much again as the addon.
import fs from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { at, root } from '../lib/paths.mjs';
import { run, StepError } from '../lib/run.mjs';
import { readElf } from './elf.mjs';
import { EXPORTS, NODE_API } from './gates.mjs';
import { readRecipe } from './recipe.mjs';
import { pathOf } from './targets.mjs';
import { frontendArguments, lib, systemLibraries, zig } from './zig.mjs';

const cxxSources = [
  'libcxx/src/call_once.cpp',
  'libcxx/src/chrono.cpp',
  'libcxx/src/condition_variable.cpp',
  'libcxx/src/condition_variable_destructor.cpp',
  'libcxx/src/memory.cpp',
  'libcxx/src/mutex.cpp',
  'libcxx/src/mutex_destructor.cpp',
  'libcxx/src/string.cpp',
  'libcxxabi/src/abort_message.cpp',
  'libcxxabi/src/cxa_guard.cpp',
  'libcxxabi/src/cxa_virtual.cpp',
];

/** The version is part of what the bytes depend on. */
export const linkerOfMachO = 'ld64.lld-19';

// Beyond native/flags.json: what zig adds by itself and an addon does not want, and no path of this machine.
const extra = [
  '-g0',
  '-fno-sanitize=all',
  '-fno-stack-protector',
  '-fomit-frame-pointer',
  '-Xclang',
  '-Oz', // smaller than -Os by a tenth; the time goes into OpenSSL and the kernel
  `-ffile-prefix-map=${root}=.`,
  `-ffile-prefix-map=${lib}=zig`,
];

/** Builds the addon of `target` into the file `output`, with `folder` for what comes between. */
export async function buildAddon(target, folder, output) {
  const machine = ['-target', target.triple, ...target.cpu];
  const recipe = readRecipe();
  fs.rmSync(folder, { recursive: true, force: true });
  fs.mkdirSync(folder, { recursive: true });
  const [library, native] = recipe.groups;
  const groups = [library, { ...native, header: 'napi.h' }, cxxGroup(native.flags)];
  const compiling = await Promise.all(groups.map((group) => commandsOf(group, machine, folder)));
  const commands = compiling.flat();
  await inParallel(
    commands.map(
      ({ args }) =>
        () =>
          zig(args),
    ),
  );
  const objects = commands.map(({ object }) => object);
  fs.mkdirSync(path.dirname(output), { recursive: true });
  const link = target.format === 'elf' ? linkElf : linkMachO;
  await link({ target, objects, output, linker: recipe.linker });
  fs.chmodSync(output, 0o755);
}

function cxxGroup(flags) {
  const own = flags.filter((flag) => !/^-(?:std|I|D)/.test(flag));
  return {
    sources: [...cxxSources.map((file) => path.join(lib, file)), 'scripts/prebuild/cxx-runtime.cc'],
    flags: [
      ...own,
      '-std=c++20',
      '-DNDEBUG',
      '-D_LIBCPP_BUILDING_LIBRARY',
      '-D_LIBCXXABI_BUILDING_LIBRARY',
      '-DLIBCXX_BUILDING_LIBCXXABI',
      '-D_LIBCXXABI_DISABLE_VISIBILITY_ANNOTATIONS',
      ...['libcxx/src', 'libcxxabi/include', 'libcxxabi/src'].map((name) => `-I${lib}/${name}`),
    ],
  };
}

async function commandsOf({ sources, flags, header }, machine, folder) {
  const language = sources[0].endsWith('.c') ? 'c' : 'c++';
  const common = await frontendArguments([...machine, ...flags, ...extra], language);
  const read = header ? ['-include-pch', await precompile(header, common, folder)] : [];
  return sources.map((source) => {
    const object = path.join(folder, `${path.relative(root, at(source)).replaceAll('/', '_')}.o`);
    const name = ['-main-file-name', path.basename(source)];
    const args = ['clang', ...common, ...read, ...name, '-o', object, path.resolve(root, source)];
    return { object, args };
  });
}

// Two thirds of what a source of native/ takes to compile is reading this header.
async function precompile(header, common, folder) {
  const source = path.join(folder, 'header.h');
  fs.writeFileSync(source, `#include <${header}>\n`);
  const args = common.map((arg) => (arg === '-emit-obj' ? '-emit-pch' : arg));
  args[args.lastIndexOf('c++')] = 'c++-header';
  await zig(['clang', ...args, '-o', `${source}.pch`, source]);
  return `${source}.pch`;
}

async function inParallel(tasks) {
  const queue = [...tasks];
  const worker = async () => {
    for (let task = queue.shift(); task; task = queue.shift()) await task();
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
}

async function linkElf({ target, objects, output, linker }) {
  const { triple, cpu, systemCpu = cpu } = target;
  const { emulation, files } = await systemLibraries(['-target', triple, ...systemCpu]);
  const ours = ['-shared', '-m', emulation, '-O2', '--hash-style=gnu', '--icf=safe'];
  // Node-API's names stay open.
  await zig(['ld.lld', ...ours, ...linker, '-o', output, ...objects, ...files]);
  const found = unresolved(
    output,
    files.filter((file) => !file.endsWith('.a')),
  );
  if (found.length > 0) throw new StepError(`${pathOf(target)}: nobody has ${found.join(', ')}`);
}

/** Names that an addon needs and neither Node-API nor one of these libraries has. */
function unresolved(addon, libraries) {
  const known = new Set(libraries.flatMap((file) => readElf(fs.readFileSync(file)).exported));
  return readElf(fs.readFileSync(addon))
    .undefined.filter(({ name, weak }) => !weak && !NODE_API.test(name) && !known.has(name))
    .map(({ name }) => name);
}

// By LLVM's linker, since zig's own for macOS keeps the name of every function, half as much again as the addon.
async function linkMachO({ target, objects, output }) {
  const args = ['-arch', target.machO, '-platform_version', 'macos', '11.0', '11.0', '-bundle'];
  const lean = ['-dead_strip', '-x', '-S', '--icf=safe'];
  const names = EXPORTS.flatMap((name) => ['-exported_symbol', `_${name}`]);
  const open = ['-undefined', 'dynamic_lookup', '-adhoc_codesign']; // ARM refuses code that nobody signed
  const system = path.join(lib, 'libc', 'darwin', 'libSystem.tbd');
  const all = [...args, ...lean, ...names, ...open, '-o', output, ...objects, system];
  await run(linkerOfMachO, all, { quiet: true, hint: '\n  Debian: apt-get install lld-19' });
}
