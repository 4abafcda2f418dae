import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { readElf } from '../../../lib/addon/elf';
import { runWell } from '../../support/process';

const folder = mkdtempSync(path.join(tmpdir(), 'iotkit-elf-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function write(name: string, bytes: Uint8Array): string {
  const file = path.join(folder, name);
  writeFileSync(file, bytes);
  return file;
}

/** A program of 32 bits whose program headers lie at its end, as patchelf leaves them. */
function narrow({
  big,
  machine,
  loader,
}: {
  big: boolean;
  machine: number;
  loader: string;
}): Buffer {
  const file = Buffer.alloc(256);
  const put = (value: number, at: number, size: number): number =>
    big ? file.writeUIntBE(value, at, size) : file.writeUIntLE(value, at, size);
  file.write('\x7fELF', 'latin1');
  file.set([1, big ? 2 : 1], 4);
  put(machine, 18, 2);
  put(192, 28, 4);
  put(32, 42, 2);
  put(2, 44, 2);
  put(1, 192, 4); // PT_LOAD
  put(3, 224, 4); // PT_INTERP
  put(64, 228, 4);
  file.write(`${loader}\0`, 64, 'latin1');
  return file;
}

test('of this process', () => {
  expect(readElf(process.execPath)).toEqual({
    machine: process.arch,
    interpreter: expect.stringContaining('ld-linux'),
  });
});

test('the loader is what the program names, wherever its headers lie', async () => {
  const source = write('main.c', Buffer.from('int main(void) { return 0; }'));
  const musl = path.join(folder, 'musl');
  await runWell('cc', [source, '-o', musl, '-Wl,--dynamic-linker=/lib/ld-musl-x86_64.so.1']);
  expect(readElf(musl)?.interpreter).toBe('/lib/ld-musl-x86_64.so.1');
  const arm = { big: false, machine: 40, loader: '/lib/ld-linux-armhf.so.3' };
  expect(readElf(write('arm', narrow(arm)))).toEqual({ machine: 'arm', interpreter: arm.loader });
  const mips = { big: true, machine: 8, loader: '/lib/ld.so.1' };
  expect(readElf(write('mips', narrow(mips)))).toEqual({
    machine: 'machine 8, 32 bits',
    interpreter: mips.loader,
  });
});

test('a static program names none', async () => {
  const source = write('main.c', Buffer.from('int main(void) { return 0; }'));
  const file = path.join(folder, 'static');
  await runWell('cc', ['-static', source, '-o', file]);
  expect(readElf(file)).toEqual({ machine: process.arch, interpreter: undefined });
});

test('what is no such file, or damaged, is nothing', () => {
  expect(readElf(folder)).toBeUndefined();
  expect(readElf(path.join(folder, 'missing'))).toBeUndefined();
  expect(readElf(write('script', Buffer.from('#!/bin/sh\nexit 0\n')))).toBeUndefined();
  const whole = narrow({ big: false, machine: 40, loader: '/lib/ld' });
  for (let length = 0; length < whole.length; length++) {
    const cut = readElf(write('cut', whole.subarray(0, length)));
    expect([undefined, 'arm']).toContain(cut?.machine);
    expect(cut?.interpreter).toBeUndefined();
  }
});
