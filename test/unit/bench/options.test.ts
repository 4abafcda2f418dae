/** What the bench is asked for. */
import { parseOptions } from '../../../bench/options';

test('quick is smaller, with fewer peers, and binds nothing', () => {
  const quick = parseOptions(['--quick']);
  const all = parseOptions([]);
  expect(quick).toMatchObject({ size: 256 * 2 ** 20, runs: 3, placements: ['free'], write: false });
  expect(all).toMatchObject({ size: 2 ** 30, runs: 5, placements: ['free', 'apart', 'together'] });
  expect(quick?.peers).toEqual(expect.arrayContaining(['node', 'alone', 'file', 'recycled']));
  expect(all?.peers).toEqual(expect.arrayContaining(['undici', 'alone-fetch', 'chunks']));
});

test('what is not known is refused', () => {
  expect(() => parseOptions(['--digest', 'crc'])).toThrow('--digest must be md5 or sha256');
  expect(() => parseOptions(['--runs', '0'])).toThrow('--runs must be 1 or more');
  expect(() => parseOptions(['--other'])).toThrow();
  expect(parseOptions(['--help'])).toBeUndefined();
});
