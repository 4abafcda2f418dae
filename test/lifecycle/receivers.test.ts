// native/runtime/wrapped.h: what JavaScript can do with the classes of the addon besides using them.
import { createRequire } from 'node:module';
import path from 'node:path';

type Made = Record<string, (...given: unknown[]) => unknown>;
type Addon = Record<'createTls' | 'parseJob', (...given: unknown[]) => Made>;

const root = path.resolve(__dirname, '..', '..');
const load = createRequire(__filename);
const addon: Addon = load(path.join(root, 'build', 'Release', 'iotkit_ota.node'));

const tls = (): Made => addon.createTls({ ca: '', cert: '', key: '', deferred: true });

test('a method is called with an object of its class alone', () => {
  const { setTime } = Object.getPrototypeOf(tls());
  for (const other of [{}, Object.create(tls()), undefined, 1, addon]) {
    expect(() => setTime.call(other, { time: 1, at: 1 })).toThrow('Illegal invocation');
  }
  expect(setTime.call(tls(), { time: 1, at: 1 })).toBeUndefined();
});

test('a class is called with new alone', () => {
  const { constructor: TlsContext } = Object.getPrototypeOf(tls());
  expect(TlsContext.name).toBe('TlsContext');
  expect(() => TlsContext()).toThrow('a class is called with new');
  expect(Object.keys(new TlsContext())).toEqual([]);
});

test('the exports can be listed', () => {
  const names = ['attachDevice', 'createTls', 'openDevice', 'parseJob', 'register', 'stats'];
  expect(Object.keys(addon)).toEqual(expect.arrayContaining(names));
});
