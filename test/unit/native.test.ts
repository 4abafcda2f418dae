import path from 'node:path';

const root = path.resolve(__dirname, '..', '..');
const addon = { version: 'an addon' };

/** Loads lib/native.ts with these loaders instead of the real ones. */
function load(loaders: { readonly gypBuild: () => unknown; readonly bindings: () => unknown }) {
  const gypBuild = jest.fn(loaders.gypBuild);
  const bindings = jest.fn(loaders.bindings);
  let loaded: unknown;
  jest.isolateModules(() => {
    jest.doMock('node-gyp-build', () => gypBuild);
    jest.doMock('bindings', () => bindings);
    loaded = jest.requireActual<typeof import('../../lib/native')>('../../lib/native').native;
  });
  return { loaded, gypBuild, bindings };
}

const missing = (name: string) => () => {
  throw new Error(`${name} finds nothing`);
};

afterEach(() => {
  jest.dontMock('node-gyp-build');
  jest.dontMock('bindings');
});

test('node-gyp-build is asked first, for the package and not for lib/', () => {
  const { loaded, gypBuild, bindings } = load({ gypBuild: () => addon, bindings: () => ({}) });
  expect(loaded).toBe(addon);
  expect(gypBuild).toHaveBeenCalledWith(root);
  expect(bindings).not.toHaveBeenCalled();
});

test('bindings finds what node-gyp-build does not', () => {
  const { loaded, bindings } = load({ gypBuild: missing('gyp'), bindings: () => addon });
  expect(loaded).toBe(addon);
  expect(bindings).toHaveBeenCalledWith({ bindings: 'iotkit_ota', module_root: root });
});

test('without an addon the error says what to do, and why', () => {
  const fail = () => load({ gypBuild: missing('gyp'), bindings: missing('bindings') });
  expect(fail).toThrow(
    expect.objectContaining({
      code: 'ERR_ADDON_NOT_FOUND',
      message: expect.stringContaining('npm rebuild iotkit-ota'),
      cause: expect.objectContaining({ message: 'gyp finds nothing' }),
    }),
  );
});

test('the real addon loads and has the version of the package', () => {
  const { native } = jest.requireActual<typeof import('../../lib/native')>('../../lib/native');
  const { version } = jest.requireActual<{ version: string }>('../../package.json');
  expect(native.version).toBe(version);
});
