/** A run against the committed reference. */
import { rowsOf } from '../../../bench/ratios';
import { cpuOnly, isHalved, moveLine, movesOf, referenceOf } from '../../../bench/reference';
import { section } from './section';

const of = (one = section()) => referenceOf([{ section: one, rows: rowsOf(one, 2) }]);
const where = 'https sha256 file';

test('the reference has what we do into a file and in chunks, by row', () => {
  expect(Object.keys(of())).toEqual([where, 'https sha256 recycled']);
  expect(of()[where]).toMatchObject({ 'CPU ÷ floor': 1.05, 'speed ÷ Node': 2.67 });
  expect(of(section({ placement: 'apart' }))).toEqual({});
});

test('nothing has moved while ratios stay within their scatter', () => {
  expect(movesOf(of(), of())).toEqual([]);
  expect(movesOf({ [where]: { 'CPU ÷ Node': 1 } }, { [where]: { 'CPU ÷ Node': 1.1 } })).toEqual([]);
});

test('moves know what is better, and the worst comes first', () => {
  const before = { [where]: { 'CPU ÷ floor': 1, 'speed ÷ Node': 4 } };
  const now = { [where]: { 'CPU ÷ floor': 0.5, 'speed ÷ Node': 3 } };
  expect(movesOf(before, now)).toEqual([
    { where, kind: 'speed ÷ Node', before: 4, now: 3, gain: 0.75 },
    { where, kind: 'CPU ÷ floor', before: 1, now: 0.5, gain: 2 },
  ]);
});

test('only a halving fails, and not of what a busy machine alone makes worse', () => {
  const halved = (
    kind: 'speed ÷ Node' | 'CPU ÷ floor' | 'event loop',
    before: number,
    now: number,
  ) => movesOf({ [where]: { [kind]: before } }, { [where]: { [kind]: now } }).some(isHalved);
  expect(halved('speed ÷ Node', 4, 2.1)).toBe(false);
  expect(halved('speed ÷ Node', 4, 2)).toBe(true);
  expect(halved('CPU ÷ floor', 1, 1.9)).toBe(false);
  expect(halved('CPU ÷ floor', 1, 2)).toBe(true);
  expect(halved('event loop', 0.01, 0.05)).toBe(false);
});

test('what the reference does not have is no move', () => {
  expect(movesOf({}, of())).toEqual([]);
});

test('a line says where, what, and both figures', () => {
  const [move] = movesOf({ [where]: { 'speed ÷ Node': 4 } }, { [where]: { 'speed ÷ Node': 1 } });
  expect(move && moveLine(move)).toBe(
    '  HALVED https sha256 file: speed ÷ Node 1.000, reference 4.000',
  );
});

test('of a busy machine only CPU time is a reference', () => {
  expect(cpuOnly(of())[where]).toEqual({ 'CPU ÷ floor': 1.05, 'CPU ÷ Node': 0.333 });
});
