// With an addon that makes what it is asked for: how contexts are shared, and whose CAs they have.
import tls from 'node:tls';
import type * as Load from '../../../lib/addon/load';
import type * as Trust from '../../../lib/addon/trust';
import { errorCodes } from '../../../lib/generated/error-codes';

const none = { ca: '', also: '', cert: '', key: '', passphrase: '', certName: '' };

/** lib/addon/trust.ts over an addon that finds the TLS library `source`. */
function trustWith(source: string | null = 'process') {
  const setCa = jest.fn((_pem: string): void => {});
  const createTls = jest.fn((_options: typeof none & { deferred: boolean }): object => ({ setCa }));
  const createKeys = jest.fn((pem: string): object =>
    pem.includes('BEGIN') ? {} : { errno: errorCodes.ERR_PUBLIC_KEY.errno, detail: '' },
  );
  let trust: typeof Trust | undefined;
  jest.isolateModules(() => {
    const { unwrap } = jest.requireActual<typeof Load>('../../../lib/addon/load');
    const native = { createTls, createKeys, tlsSource: () => source };
    jest.doMock('../../../lib/addon/load', () => ({ native, unwrap }));
    trust = jest.requireActual<typeof Trust>('../../../lib/addon/trust');
  });
  jest.dontMock('../../../lib/addon/load');
  return { ...(trust as typeof Trust), createTls, createKeys, setCa };
}

test('one context for each distinct set of options', () => {
  const { tlsContext, createTls } = trustWith();
  const first = tlsContext({ ...none, ca: 'A' });
  expect(tlsContext({ ...none, ca: 'A' })).toBe(first);
  expect(tlsContext({ ...none, ca: 'A', certName: 'h' })).not.toBe(first);
  expect(createTls).toHaveBeenCalledTimes(2);
});

test('functions that sign have contexts of their own', () => {
  const { tlsContext, createTls } = trustWith();
  const sign = () => new Uint8Array();
  const first = tlsContext({ ...none, cert: 'C', sign });
  expect(tlsContext({ ...none, cert: 'C', sign })).not.toBe(first);
  expect(createTls.mock.calls[0]?.[0]).toMatchObject({
    cert: 'C',
    onSign: expect.any(Function),
    onCancel: expect.any(Function),
  });
  expect(createTls.mock.calls[0]?.[0]).not.toHaveProperty('sign');
});

test('without CAs of the user it trusts those of the runtime, read once and by the connection', () => {
  const { tlsContext, createTls, setCa } = trustWith();
  tlsContext({ ...none, certName: 'h' });
  tlsContext(none);
  expect(createTls.mock.calls.map(([{ ca, deferred }]) => [ca, deferred])).toEqual([
    ['', true],
    ['', true],
  ]);
  const [[ca], [again]] = setCa.mock.calls as [[string], [string]];
  const [root] = tls.rootCertificates;
  expect([ca.includes('-----BEGIN CERTIFICATE-----'), again === ca]).toEqual([true, true]);
  // Node.js before 22.15 has only this list.
  if (!('getCACertificates' in tls)) expect(ca).toContain(root);
});

test('a root of a host comes to those of the runtime, in a context of its own', () => {
  const { tlsContext, createTls, setCa } = trustWith();
  const plain = tlsContext(none);
  const with1 = tlsContext({ ...none, also: 'ROOT' });
  expect(with1).not.toBe(plain);
  expect(tlsContext({ ...none, also: 'ROOT' })).toBe(with1);
  const [[ca], [more]] = setCa.mock.calls as [[string], [string]];
  expect(more).toBe(`${ca}\nROOT`);
  expect(createTls.mock.calls[1]?.[0]).not.toHaveProperty('also');
});

test('what the list takes is loaded before, a part in each turn of the event loop', async () => {
  const { prepareTrust, tlsContext, setCa } = trustWith();
  let turns = 0;
  const count = (): void => {
    turns += 1;
    next = setImmediate(count);
  };
  let next = setImmediate(count);
  await prepareTrust();
  expect(turns).toBeGreaterThanOrEqual(2);
  const before = turns;
  await prepareTrust();
  expect(turns).toBe(before);
  clearImmediate(next);
  tlsContext(none);
  expect(setCa).toHaveBeenCalledTimes(1);
});

test('CAs of the user are read at once, because they may be wrong', () => {
  const { tlsContext, createTls, setCa } = trustWith();
  tlsContext({ ...none, ca: 'A' });
  const { also: _, ...native } = none;
  expect(createTls).toHaveBeenCalledWith({ ...native, ca: 'A', deferred: false });
  expect(setCa).not.toHaveBeenCalled();
});

test('those who may do without TLS look nothing up before they download', () => {
  const { tlsContext, provideTrust, setCa } = trustWith();
  const context = tlsContext(none, { optional: true });
  expect(setCa).not.toHaveBeenCalled();
  provideTrust();
  provideTrust();
  expect(setCa).toHaveBeenCalledTimes(1);
  expect(tlsContext(none)).toBe(context);
  expect(setCa).toHaveBeenCalledTimes(1);
});

test('one that is shared with a connection of TLS is looked up at once', () => {
  const { tlsContext, setCa } = trustWith();
  const context = tlsContext(none, { optional: true });
  expect(tlsContext(none)).toBe(context);
  expect(setCa).toHaveBeenCalledTimes(1);
});

test('without a TLS library there is none for those who can do without', () => {
  const { tlsContext, createTls } = trustWith(null);
  expect(tlsContext(none, { optional: true })).toBeUndefined();
  expect(createTls).not.toHaveBeenCalled();
  tlsContext(none);
  expect(createTls).toHaveBeenCalledTimes(1);
});

test('a failure of the addon is thrown, and tried again the next time', () => {
  const { tlsContext, createTls } = trustWith();
  createTls.mockReturnValueOnce({ errno: errorCodes.ERR_TLS_CA.errno, detail: 'x' });
  expect(() => tlsContext(none)).toThrow(expect.objectContaining({ code: 'ERR_TLS_CA' }));
  expect(tlsContext(none)).toBeDefined();
});

// Node.js from 22.15 on says itself what it trusts.
const readsExtra = 'getCACertificates' in tls ? test.skip : test;

readsExtra('extra CAs that cannot be read for now are an error, not fewer CAs', () => {
  const before = process.env.NODE_EXTRA_CA_CERTS;
  process.env.NODE_EXTRA_CA_CERTS = '/extra.pem';
  try {
    for (const [code, thrown] of Object.entries({ EMFILE: true, ENFILE: true, ENOENT: false })) {
      const fs = jest.requireActual<typeof import('node:fs')>('node:fs');
      jest.doMock('node:fs', () => ({
        ...fs,
        readFileSync: (...args: Parameters<typeof fs.readFileSync>) => {
          if (args[0] !== '/extra.pem') return fs.readFileSync(...args);
          throw Object.assign(new Error(code), { code });
        },
      }));
      const { tlsContext, setCa } = trustWith();
      if (thrown) {
        expect(() => tlsContext(none)).toThrow(expect.objectContaining({ code: 'ERR_TLS' }));
      } else {
        tlsContext(none);
      }
      expect(setCa).toHaveBeenCalledTimes(thrown ? 0 : 1);
    }
  } finally {
    jest.dontMock('node:fs');
    if (before === undefined) delete process.env.NODE_EXTRA_CA_CERTS;
    else process.env.NODE_EXTRA_CA_CERTS = before;
  }
});

test('keys are made of PEM, and none of nothing', () => {
  const { publicKeys, createKeys } = trustWith();
  expect(publicKeys('')).toBeUndefined();
  expect(createKeys).not.toHaveBeenCalled();
  expect(publicKeys('-----BEGIN')).toEqual({});
  expect(() => publicKeys('x')).toThrow(expect.objectContaining({ code: 'ERR_PUBLIC_KEY' }));
});
