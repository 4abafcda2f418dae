import fs from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { LogOutput } from '../../src/cli/log-output';
import { atEnd } from '../support/clean-up';
import { temporaryFolder } from '../support/start';

/** A file that is written by its descriptor, as the standard output is when it is one. */
async function logFile(): Promise<{ output: LogOutput; text: () => string }> {
  const path = join(await temporaryFolder(), 'log');
  const fd = fs.openSync(path, 'a');
  atEnd(() => fs.closeSync(fd));
  const stream = Object.assign(new PassThrough(), { fd });
  return {
    output: new LogOutput(stream, (lost) => `lost ${lost}\n`),
    text: () => fs.readFileSync(path, 'utf8'),
  };
}

/** Leaves room for so many bytes, until it is told otherwise. */
function fullDisk(room: number): jest.SpyInstance {
  const real = fs.writeSync as (fd: number, bytes: Uint8Array) => number;
  let left = room;
  const spy = jest.spyOn(fs, 'writeSync') as jest.SpyInstance;
  atEnd(() => spy.mockRestore());
  return spy.mockImplementation((fd: number, bytes: Uint8Array) => {
    if (left === 0) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
    const written = real(fd, bytes.subarray(0, left));
    left -= written;
    return written;
  });
}

test('a full disk costs lines, which are counted as soon as there is room', async () => {
  const { output, text } = await logFile();
  output.write('one\n');
  const disk = fullDisk(2);
  for (const line of ['two\n', 'three\n', 'four\n']) output.write(line);
  disk.mockRestore();
  output.write('five\n');
  output.write('six\n');
  expect(text()).toBe('one\ntw\nlost 3\nfive\nsix\n');
});

test('a reader that has gone costs the log and no more', () => {
  const stream = new PassThrough();
  const output = new LogOutput(stream, String);
  output.write('one\n');
  expect(stream.read().toString()).toBe('one\n');
  stream.destroy(new Error('EPIPE'));
  output.write('two\n');
});
