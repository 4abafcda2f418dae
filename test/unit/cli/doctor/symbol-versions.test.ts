import { readFileSync } from 'node:fs';
import path from 'node:path';
import { glibcFloor, isOlder, versionsNeeded } from '../../../../lib/cli/doctor/symbol-versions';

const root = path.resolve(__dirname, '..', '..', '..', '..');
const onLinux = process.platform === 'linux' ? test : test.skip;

/** An addon of the given width that needs two versions of one library. */
function elf(bits: 32 | 64): Buffer {
  const bytes = Buffer.alloc(1024);
  const wide = bits === 64;
  const word = (at: number, value: number): void => {
    if (wide) bytes.writeBigUInt64LE(BigInt(value), at);
    else bytes.writeUInt32LE(value, at);
  };
  bytes.write('\x7fELF', 'latin1');
  bytes[4] = wide ? 2 : 1;
  bytes[5] = 1;
  word(wide ? 32 : 28, 64); // segments
  bytes.writeUInt16LE(wide ? 56 : 32, wide ? 54 : 42);
  bytes.writeUInt16LE(3, wide ? 56 : 44);
  const segment = (index: number, type: number, offset: number, size: number): void => {
    const at = 64 + index * (wide ? 56 : 32);
    bytes.writeUInt32LE(type, at);
    word(at + (wide ? 8 : 4), offset);
    word(at + (wide ? 16 : 8), offset + 0x10000);
    word(at + (wide ? 32 : 16), size);
  };
  segment(0, 3, 300, 20);
  segment(1, 1, 0, 1024);
  segment(2, 2, 400, 3 * 2 * (bits / 8));
  bytes.write('/lib/ld-linux.so.3\0', 300);
  const tags = [5, 0x10000 + 600, 0x6ffffffe, 0x10000 + 700, 0x6fffffff, 1];
  for (const [index, value] of tags.entries()) word(400 + (index * bits) / 8, value);
  bytes.write('\0GLIBC_2.4\0GLIBC_2.28\0', 600);
  bytes.writeUInt16LE(2, 702); // two versions
  bytes.writeUInt32LE(16, 708);
  bytes.writeUInt32LE(1, 716 + 8);
  bytes.writeUInt32LE(16, 716 + 12);
  bytes.writeUInt32LE(11, 732 + 8);
  return bytes;
}

test.each([32, 64] as const)('reads an ELF file of %i bits', (bits) => {
  expect(versionsNeeded(elf(bits))).toEqual(['GLIBC_2.4', 'GLIBC_2.28']);
});

test('what is no ELF file needs none, and one that is cut anywhere throws nothing', () => {
  expect(versionsNeeded(Buffer.from('#!/bin/sh\n'.repeat(20)))).toEqual([]);
  const bigEndian = elf(64);
  bigEndian[5] = 2;
  expect(versionsNeeded(bigEndian)).toEqual([]);
  const whole = elf(32);
  for (let length = 0; length < whole.length; length += 1) {
    expect(() => versionsNeeded(whole.subarray(0, length))).not.toThrow();
  }
});

test('damaged anywhere, it ends', () => {
  for (const bits of [32, 64] as const) {
    for (let at = 6; at < 800; at += 1) {
      const bytes = elf(bits);
      bytes[at] = 0xff;
      expect(() => versionsNeeded(bytes)).not.toThrow();
    }
  }
});

onLinux('the floor of the real addon is the newest version among its strings', () => {
  const bytes = readFileSync(path.join(root, 'build', 'Release', 'iotkit_ota.node'));
  const strings = bytes.toString('latin1').match(/GLIBC_\d+(?:\.\d+)+(?=\0)/g) ?? [];
  expect(glibcFloor(versionsNeeded(bytes))).toBe(glibcFloor(strings));
});

test.each([
  [['GLIBC_2.17', 'GLIBC_2.4', 'GLIBC_2.2.5', 'GCC_3.0'], '2.17'],
  [['GLIBC_2.9', 'GLIBC_2.34', 'GLIBC_PRIVATE'], '2.34'],
  [['GLIBCXX_3.4.30'], undefined],
])('of %j the newest glibc is %s', (versions, floor) => {
  expect(glibcFloor(versions)).toBe(floor);
});

test.each([
  ['2.9', '2.17', true],
  ['2.17', '2.17', false],
  ['2.2.5', '2.2', false],
  ['3.0', '2.99', false],
])('%s is older than %s: %s', (version, other, older) => {
  expect(isOlder(version, other)).toBe(older);
});
