// What is too large for a record.
import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { lookAtRecord, RecordFile } from '../../../lib/install/record';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'iotkit-record-'));
  path = join(folder, 'update.record');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A record that is whole, of so many bytes. */
async function recordOf(bytes: number): Promise<void> {
  const record = await RecordFile.open(path);
  const pin = (length: number) =>
    record.change((it) => ({ ...it, pins: { mcu: 'x'.repeat(length) } }));
  await pin(0);
  await pin(bytes - statSync(path).size);
  expect(statSync(path).size).toBe(bytes);
}

test('a record of 1 MiB is read', async () => {
  await recordOf(1024 * 1024);
  expect((await lookAtRecord(path)).damage).toBeUndefined();
  const { content, damage } = await RecordFile.open(path);
  expect(damage).toBeUndefined();
  expect(Object.keys(content.pins)).toEqual(['mcu']);
});

test('one that is longer is not, whatever it says: it counts as damaged', async () => {
  await recordOf(1024 * 1024 + 1);
  const seen = await lookAtRecord(path);
  expect(seen).toMatchObject({ content: { pins: {} }, damage: { code: 'ERR_INSTALL_RECORD' } });
  const { content, damage } = await RecordFile.open(path);
  expect(content.pins).toEqual({});
  expect(damage).toMatchObject({ code: 'ERR_INSTALL_RECORD' });
  expect(existsSync(`${path}.damaged`)).toBe(true);
});
