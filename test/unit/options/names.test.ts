import { checkDeviceName, checkProductKey } from '../../../lib/options/names';

test.each([
  [checkProductKey, 'a1B2', 'a'.repeat(20)],
  [checkDeviceName, 'A-_@.:9', 'a'.repeat(32)],
])('%p takes what the platform takes', (check, ...values) => {
  for (const value of values) expect(check(value)).toBe(value);
});

test.each([
  [checkProductKey, 'productKey', '1-20 letters and digits', ['a-b', 'é', 'a'.repeat(21), '']],
  [checkDeviceName, 'deviceName', '1-32 characters', ['a b', 'a/b', 'a#', 'a'.repeat(33), '']],
])('%p refuses other texts and names the option', (check, name, expected, values) => {
  for (const value of values) {
    const refused = expect.objectContaining({ message: expect.stringContaining(name) });
    expect(() => check(value)).toThrow(refused);
  }
  expect(() => check(values[0])).toThrow(expected);
  expect(() => check(undefined)).toThrow(TypeError);
  expect(() => check(7)).toThrow(TypeError);
});
