import { checkFirmwareOptions, type FirmwareOptions } from '../../src/firmware/options';

const data = Buffer.from('x');
const right: FirmwareOptions = { productKey: 'pk', version: '1.0', data };

test.each<[string, Partial<FirmwareOptions>]>([
  ['a module', { module: 'mcu' }],
  ['source versions', { sourceVersions: ['1', '2'] }],
  ['a delta', { isDiff: true, sourceVersions: ['1'] }],
  ['data for the device', { extData: { _package_udi: 'x'.repeat(4096), a: 'x'.repeat(1024) } }],
])('%s is accepted', (_, options) => checkFirmwareOptions({ ...right, ...options }));

test.each<[string, Partial<FirmwareOptions>]>([
  ['a product key', { productKey: '' }],
  ['a version', { version: 'a b' }],
  ['a module', { module: 'a b' }],
  ['a method', { signMethod: 'SHA1' as 'MD5' }],
  ['a source version', { sourceVersions: [''] }],
  ['a delta without source versions', { isDiff: true }],
  ['a key of extData', { extData: { ['k'.repeat(31)]: '' } }],
  ['a value of extData', { extData: { a: 'x'.repeat(1025) } }],
  ['a value that is no text', { extData: { a: 1 as unknown as string } }],
  ['two sources', { file: 'x' }],
  ['a source beside files', { files: [{ name: 'a', data }] }],
])('%s that makes no sense is refused', (_, options) => {
  expect(() => checkFirmwareOptions({ ...right, ...options })).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
  );
});

test.each(['', '.', '..', 'a/b', 'a\\b', 'a\n', 'x'.repeat(243), 7])(
  '%j is no name of a file',
  (name) => {
    const files = [{ name: name as string, data }];
    expect(() => checkFirmwareOptions({ productKey: 'pk', version: '1', files })).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    );
  },
);
