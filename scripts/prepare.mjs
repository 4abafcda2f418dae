// Builds what is missing, and nothing that is current: packages, error table, TypeScript, addon. `npm start` and
// `npm test` begin with it. Until node_modules is there, it may use nothing but Node's own modules.
//
//   node scripts/prepare.mjs [install] [generate] [ts] [native] [bench] [--force]     no step named: all but bench
import fs from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { copyDeclarations } from './build/declarations.mjs';
import { entries, later } from './build/entries.mjs';
import { joinModules } from './build/join-modules.mjs';
import { missingPackages } from './lib/installed.mjs';
import { withLock } from './lib/lock.mjs';
import { findHeaders } from './lib/node-headers.mjs';
import { at, root } from './lib/paths.mjs';
import { isOnPath, npmCommand, run, runBin, StepError } from './lib/run.mjs';
import { filesUnder, hashOf, isCurrent, setCurrent } from './lib/stamp.mjs';

const OLDEST_NODE = 20;
const allSteps = ['install', 'generate', 'ts', 'native'];

/** Builds what is missing of `steps`; throws a StepError that says what failed and what to do. */
export async function prepare(steps = allSteps, { force = false } = {}) {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < OLDEST_NODE) {
    throw new StepError(`Node.js ${OLDEST_NODE} or newer is needed, this is ${process.version}`);
  }
  const todo = pending(steps, force);
  if (todo.length === 0) return;
  await withLock(
    at('.cache', 'prepare.lock'),
    async () => {
      // Looked at again one by one: another process may have built it while we waited, and a step may outdate a later.
      for (const step of todo) {
        if (force || !step.isCurrent()) await step.make();
      }
    },
    (pid) => say(`waiting for another build in this checkout (process ${pid})`),
  );
}

const say = (text) => process.stderr.write(`${text}\n`);

function pending(names, force) {
  const plan = {
    install: [install],
    generate: [errorCodes],
    ts: [errorCodes, ...typescript],
    native: [addon],
    bench: [bench, benchPrograms],
  };
  const wanted = new Set([install, ...names.flatMap((name) => plan[name] ?? unknownStep(name))]);
  return [...wanted].filter((step) => (force && step !== install) || !step.isCurrent());
}

function unknownStep(name) {
  throw new StepError(`there is no step ${name}; steps are ${allSteps.join(', ')}`);
}

// --- packages ---

const install = {
  isCurrent: () => missingPackages().length === 0,
  async make() {
    say('installing packages (npm ci)');
    const [npm, ...args] = npmCommand();
    const options = {
      env: {
        ...process.env,
        npm_config_audit: 'false',
        npm_config_fund: 'false',
        IOTKIT_OTA_PREPARING: '1', // npm's prepare step would wait for us
      },
    };
    const hint = '\n  npm could not install the packages: is the package registry reachable?';
    try {
      await run(npm, [...args, 'ci'], options);
    } catch {
      say('npm ci failed; trying npm install');
      await run(npm, [...args, 'install', '--no-save'], { ...options, hint });
    }
    const missing = missingPackages();
    if (missing.length > 0) throw new StepError(`npm left out ${missing.join(', ')}`);
  },
};

// --- generated TypeScript ---

const errorCodes = step({
  name: 'generate',
  files: () => ['deps/iotkit/include/iotkit_errors.h', 'scripts/build/gen-errors.mjs'],
  products: ['lib/generated/error-codes.ts'],
  make: () => run(process.execPath, [at('scripts/build/gen-errors.mjs')]),
});

// --- TypeScript ---

// Once more, over the scripts alone: comments are for the declarations, where editors show them. They were a quarter of
// what is packed and read.
const withoutComments = [
  ...['--removeComments', '--declaration', 'false', '--declarationDir', 'null'],
  ...['--incremental', 'false', '--tsBuildInfoFile', 'null'],
];

const typescript = [
  compile('lib', {
    project: 'tsconfig.json',
    sources: ['lib'],
    from: 'lib',
    to: 'dist',
    main: 'index.js',
    also: ['declarations', 'entries', 'join-modules'].map((it) => `scripts/build/${it}.mjs`),
    before: ['.cache/tsc/lib', '.cache/tsc/types'],
    async after() {
      await runBin('typescript/bin/tsc', ['-p', 'tsconfig.json', ...withoutComments], {
        quiet: true,
      });
      joinModules({
        from: at('.cache/tsc/lib'),
        to: at('dist'),
        entries,
        later,
      });
      const typed = entries.filter((name) => !name.startsWith('cli/'));
      copyDeclarations({ from: at('.cache/tsc/types'), to: at('dist'), entries: typed });
    },
  }),
  compile('platform', {
    project: 'platform/tsconfig.json',
    sources: ['platform/src'],
    from: 'platform/src',
    to: 'platform/dist',
    main: 'index.js',
  }),
  compile('examples', {
    project: 'examples/tsconfig.json',
    sources: ['examples', 'lib', 'platform/src'],
    from: 'examples',
    to: 'examples/dist',
    main: 'main-job/index.js',
  }),
];

// Only `npm run bench` needs it.
const bench = compile('bench', {
  project: 'bench/tsconfig.json',
  sources: ['bench', 'lib', 'platform/src', 'test/support'],
  from: '.',
  to: 'bench/dist',
  main: 'bench/index.js',
});

// `before`: folders with what `after` makes something else of.
function compile(name, { project, sources, from, to, main, also = [], before = [], after }) {
  return step({
    name: `ts-${name}`,
    files: () => [
      ...filesUnder(sources, /\.(ts|json)$/),
      'tsconfig.base.json',
      project,
      'package.json',
      ...also,
    ],
    also: () => [packageVersion('typescript')],
    products: [path.posix.join(to, main)],
    async make() {
      say(`compiling ${from} to ${to}`);
      await runBin('typescript/bin/tsc', ['-p', project], { quiet: true });
      for (const folder of [...before, to]) removeOrphans(from, folder);
      await after?.();
    },
  });
}

// What a deleted source left behind would still be found, run and packed.
function removeOrphans(from, to) {
  for (const file of filesUnder([to], /\.(js|d\.ts|js\.map)$/)) {
    const stem = path.posix.relative(to, file).replace(/\.(js|d\.ts|js\.map)$/, '');
    if (!fs.existsSync(at(from, `${stem}.ts`))) fs.rmSync(at(file));
  }
}

// --- addon ---

const addonFile = 'build/Release/iotkit_ota.node';

const addon = step({
  name: 'native',
  files: () => [
    ...filesUnder(['deps/iotkit/src', 'deps/iotkit/include', 'native'], /\.(c|cc|h|map)$/),
    'binding.gyp',
    'native/flags.json',
    'sources.json',
  ],
  // Not the version of Node: the addon keeps to Node-API, and loads in every one.
  also: () => [
    process.platform,
    process.arch,
    packageVersion('node-addon-api'),
    ...['CC', 'CXX', 'CFLAGS', 'CXXFLAGS', 'LDFLAGS'].map((name) => process.env[name] ?? ''),
  ],
  products: [addonFile],
  async make() {
    checkToolchain();
    say('compiling the addon (node-gyp)');
    const nodedir = await findHeaders();
    // By environment, since node-gyp lets that win over its arguments.
    const env = nodedir ? { ...process.env, npm_config_nodedir: nodedir } : process.env;
    const args = ['configure', 'build', '--jobs', 'max', '--loglevel', 'warn'];
    const hint = nodedir
      ? ''
      : '\n  node-gyp had to download the headers of Node.js: is the network reachable?';
    await runBin('node-gyp/bin/node-gyp.js', args, { quiet: true, env, hint });
    // The linker leaves names open that the runtime provides, and so also one that nobody does.
    await run(process.execPath, ['-e', `require(${JSON.stringify(at(addonFile))})`], {
      quiet: true,
    });
  },
});

// Over the very objects that are in the addon.
const benchPrograms = step({
  name: 'bench-programs',
  files: () => [
    ...filesUnder(['bench/native', 'deps/iotkit/src', 'deps/iotkit/include'], /\.(c|h)$/),
    'native/flags.json',
  ],
  also: () => [process.env.CC ?? '', packageVersion('node-api-headers')],
  products: ['.cache/bench/alone', '.cache/bench/floor.node'],
  async make() {
    say('compiling the C programs of the bench');
    const cc = process.env.CC?.split(' ') ?? ['cc'];
    const flags = ['-std=gnu11', '-O2', '-Wall', '-Wextra', '-Werror', '-D_GNU_SOURCE'];
    const compile = (product, args, libraries = []) =>
      run(
        cc[0],
        [...cc.slice(1), ...flags, '-o', at('.cache/bench', product), ...args, ...libraries],
        {
          quiet: true,
        },
      );
    const source = (name) => at('bench/native', name);
    fs.mkdirSync(at('.cache/bench'), { recursive: true });
    const library = at('build/Release/iotkit.a');
    await compile(
      'alone',
      ['-I', at('deps/iotkit/include'), source('alone.c'), library],
      ['-lpthread', '-ldl'],
    );
    const shared = process.platform === 'darwin' ? ['-undefined', 'dynamic_lookup'] : [];
    await compile('floor.node', [
      ...['-shared', '-fPIC', ...shared, '-I', at('node_modules/node-api-headers/include')],
      ...['floor.c', 'floor_addon.c'].map(source),
      '-ldl',
    ]);
  },
});

function checkToolchain() {
  const tools = [
    ['a C compiler', process.env.CC?.split(' ')[0] ?? 'cc', 'gcc', 'clang'],
    ['a C++ compiler', process.env.CXX?.split(' ')[0] ?? 'c++', 'g++', 'clang++'],
    ['make', process.env.MAKE ?? 'make', 'gmake'],
    ['python3', process.env.npm_config_python ?? process.env.PYTHON ?? 'python3', 'python'],
  ];
  const missing = tools.filter(([, ...names]) => !names.some(isOnPath)).map(([what]) => what);
  if (missing.length === 0) return;
  throw new StepError(
    `the addon is compiled on this machine, and that needs ${missing.join(', ')}, not found on the PATH.\n` +
      '  Debian, Ubuntu: apt-get install build-essential python3\n' +
      '  Fedora: dnf install gcc gcc-c++ make python3\n' +
      '  macOS: xcode-select --install',
  );
}

// --- steps ---

function step({ name, files, also = () => [], products, make }) {
  const hash = () => hashOf(files(), also());
  return {
    isCurrent: () => isCurrent(name, hash(), products),
    async make() {
      const before = hash();
      await make();
      setCurrent(name, before);
    },
  };
}

function packageVersion(name) {
  const file = at('node_modules', name, 'package.json');
  return fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')).version : 'absent';
}

/** Runs `main` and, if it fails, says so and sets the exit code. */
export async function command(main) {
  try {
    await main();
  } catch (error) {
    say(error instanceof StepError ? `\n${error.message}` : error.stack);
    process.exitCode = 1;
  }
}

if (import.meta.url === pathToFileURL(fs.realpathSync(process.argv[1] ?? root)).href) {
  const args = process.argv.slice(2);
  const steps = args.filter((arg) => !arg.startsWith('-'));
  await command(() =>
    prepare(steps.length > 0 ? steps : allSteps, { force: args.includes('--force') }),
  );
}
