import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { recipeOf } from '../../../lib/cli/recipe';

const root = path.resolve(__dirname, '..', '..', '..');
const place = {
  root,
  objects: '/objects',
  output: '/objects/iotkit_ota.node',
  env: {},
  platform: 'linux' as const,
};

/** The operands of an option, as of -I or -D. */
const given = (args: readonly string[], option: string): string[] =>
  args.filter((arg) => arg.startsWith(option)).map((arg) => arg.slice(option.length));

test('every listed source is compiled once, into an object of its own, and all are linked', () => {
  const { compile, link } = recipeOf(place);
  const listed = readFileSync(path.join(root, 'sources.json'), 'utf8').match(/[^"]+\.cc?(?=")/g);
  const sources = compile.map(({ args }) => args[args.indexOf('-c') + 1]);
  expect(sources.sort()).toEqual([...(listed ?? [])].sort());
  const objects = compile.map(({ args }) => String(args.at(-1)));
  expect(new Set(objects).size).toBe(objects.length);
  expect(link.args.filter((arg) => arg.endsWith('.o')).sort()).toEqual(objects.sort());
});

test('the shim does not see the sources of the C SDK, and finds the headers of Node-API', () => {
  for (const { command, args } of recipeOf(place).compile) {
    const isShim = args.some((arg) => arg.startsWith('native/') && arg.endsWith('.cc'));
    expect(command).toBe(isShim ? 'c++' : 'cc');
    expect(given(args, '-Ideps/iotkit/').includes('src')).toBe(!isShim);
    const headers = args.filter((_, at) => args[at - 1] === '-isystem');
    const found = ['node_api.h', 'napi.h'].filter((name) =>
      headers.some((folder) => existsSync(path.join(folder, name))),
    );
    expect(found).toEqual(isShim ? ['node_api.h', 'napi.h'] : []);
  }
});

test('binding.gyp takes each list of the flags, and states none of its own', () => {
  const gyp = readFileSync(path.join(root, 'binding.gyp'), 'utf8');
  const flags = Object.keys(
    jest.requireActual<Record<string, unknown>>('../../../native/flags.json'),
  );
  const read = [...gyp.matchAll(/flags\.json'\)\.(\w+)/g)].map(([, name]) => name);
  expect(flags.filter((name) => !read.includes(name))).toEqual(['linkDarwin']);
  expect(gyp.match(/'-(?:Os|f(?!no-omit)[a-z-]+|std=[a-z+0-9]+|D\w+)'/g)).toBeNull();
});

test('the environment names compilers and adds flags', () => {
  const env = { CC: 'ccache clang', CXX: 'clang++', CFLAGS: '-O1', CXXFLAGS: '-g', LDFLAGS: '-s' };
  const { compile, link } = recipeOf({ ...place, env });
  for (const { command, args } of compile) {
    if (command === 'ccache') expect([args[0], args.includes('-O1')]).toEqual(['clang', true]);
    else expect([command, args.includes('-g')]).toEqual(['clang++', true]);
  }
  expect(link).toMatchObject({ command: 'clang++', args: expect.arrayContaining(['-s']) });
});

test('on macOS nothing is told to the linker that only the one of GNU knows', () => {
  const { args } = recipeOf({ ...place, platform: 'darwin' }).link;
  expect(args.filter((arg) => /version-script|-z,|--|-ldl|static-lib/.test(arg))).toEqual([]);
  expect(args.join(' ')).toContain('-undefined dynamic_lookup');
});
