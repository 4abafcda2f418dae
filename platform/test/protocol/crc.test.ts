import { crc16 } from '../../src/protocol/crc';

test.each([
  ['', 0],
  ['123456789', 0xbb3d],
  ['a', 0xe8c1],
])('the CRC of %j is %d', (text, expected) => {
  expect(crc16(Buffer.from(text))).toBe(expected);
});
