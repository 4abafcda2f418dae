import { nearest } from '../../../lib/cli/nearest';

const known = ['device', 'modules', 'installer', 'versionFile', 'connections', 'ca'];

test.each([
  ['devise', 'device'],
  ['Device', 'device'],
  ['dveice', 'device'],
  ['module', 'modules'],
  ['version-file', 'versionFile'],
  ['version_file', 'versionFile'],
  ['conections', 'connections'],
  ['xa', 'ca'],
  ['colour', undefined],
  ['', undefined],
  ['__proto__', undefined],
  ['x'.repeat(1_000_000), undefined],
])('%.20s is most like %s', (name, expected) => {
  expect(nearest(name, known)).toBe(expected);
});

test('of none, none', () => expect(nearest('x', [])).toBeUndefined());
