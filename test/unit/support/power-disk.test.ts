import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PowerDisk, type Verdict } from '../../support/boot/power-disk';

const SIZE = 8192;
const bytes = (value: number, length = 1024): Buffer => Buffer.alloc(length, value);

let folder: string;
let disk: PowerDisk;

/** `kept`: of what a cut finds in the cache, sector by sector, 1 stays and 0 goes. */
function open(kept: readonly number[]): void {
  const left = [...kept];
  disk = new PowerDisk(path.join(folder, 'disk'), SIZE, () => (left.shift() === 1 ? 0 : 1));
  disk.powerOn();
}

const found = (): number[] => [...readFileSync(path.join(folder, 'disk'))];
const sectors = (): (number | undefined)[] => [0, 512, 1024].map((at) => found()[at]);

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'iotkit-disk-'));
  writeFileSync(path.join(folder, 'disk'), bytes(0, SIZE));
});

afterEach(() => {
  disk.close();
  rmSync(folder, { recursive: true });
});

test('what was flushed outlasts a cut, and of the rest any sector may be there', () => {
  open([0, 1]);
  disk.write(0, bytes(1), false);
  disk.flush();
  disk.write(0, bytes(2), false);
  expect([...disk.read(0, 1024)]).toEqual([...bytes(2)]);
  disk.cut();
  expect(sectors()).toEqual([1, 2, 0]);
});

test('a write that is to be flushed at once is', () => {
  open([]);
  disk.write(512, bytes(3, 512), true);
  disk.cut();
  expect(sectors()).toEqual([0, 3, 0]);
});

test.each<[Verdict, number[], number[]]>([
  ['cut-before', [1, 1], [0, 0, 0]],
  ['cut-within', [1, 0], [4, 0, 0]],
  ['cut-after', [0, 0], [4, 4, 0]],
])('%s of a write that is named', (verdict, kept, expected) => {
  open(kept);
  let cuts = 0;
  disk.onCut = () => {
    cuts += 1;
  };
  disk.onWrite = () => verdict;
  expect(disk.write(0, bytes(4), false)).toBe(false);
  expect([sectors(), cuts, disk.isOn]).toEqual([expected, 1, false]);
});
