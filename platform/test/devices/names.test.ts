import {
  checkDeviceKey,
  checkProductKey,
  DEFAULT_MODULE,
  deviceId,
  isVersion,
  moduleKey,
  normalModule,
  reportedVersion,
} from '../../src/devices/names';

const wrong = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' });

test.each(['', 'a b', 'a&b', 'x'.repeat(21), 7])('%j is no product key', (productKey) => {
  expect(() => checkProductKey(productKey)).toThrow(wrong);
});

test.each(['', 'a/b', 'a&b', 'a+', 'x'.repeat(33), 7])('%j is no device name', (deviceName) => {
  expect(() => checkDeviceKey({ productKey: 'a', deviceName: deviceName as string })).toThrow(
    wrong,
  );
});

test('a key is taken out of a larger object', () => {
  const device = { productKey: 'a1_-', deviceName: 'd.@:_-1', deviceSecret: 'x' };
  expect(checkDeviceKey(device)).toEqual({ productKey: 'a1_-', deviceName: 'd.@:_-1' });
  expect(deviceId(device)).toBe('d.@:_-1&a1_-');
});

test.each([
  ['1.0.0', true],
  ['x'.repeat(64), true],
  ['x'.repeat(65), false],
  ['', false],
  ['1 0', false],
  [1, false],
])('%j is a version: %p', (text, expected) => expect(isVersion(text)).toBe(expected));

test('the default module has a key, and one way to be absent', () => {
  expect([normalModule('default'), normalModule(''), normalModule('mcu')]).toEqual([
    undefined,
    undefined,
    'mcu',
  ]);
  expect([moduleKey(undefined), moduleKey('mcu')]).toEqual([DEFAULT_MODULE, 'mcu']);
});

test('only what a device reported is a version, whatever the module is called', () => {
  const device = { versions: { default: '1', mcu: '2' } };
  expect(reportedVersion(device, undefined)).toBe('1');
  expect(reportedVersion(device, 'mcu')).toBe('2');
  expect(reportedVersion(device, 'constructor')).toBeUndefined();
  expect(reportedVersion(undefined, 'mcu')).toBeUndefined();
});
