import { text } from '../base/arguments';

/** @internal */
export function checkProductKey(value: unknown): string {
  return text('productKey', value, {
    max: 20,
    pattern: /^[A-Za-z0-9]+$/,
    expected: '1-20 letters and digits',
  });
}

/** @internal */
export function checkDeviceName(value: unknown): string {
  return text('deviceName', value, {
    max: 32,
    pattern: /^[A-Za-z0-9_@.:-]+$/,
    expected: '1-32 characters of letters, digits and -_@.:',
  });
}
