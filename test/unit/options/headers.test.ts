import { checkHeaders } from '../../../lib/options/headers';
import { refusalOf } from '../support';

test('become one line each, values without spaces around them', () => {
  expect(checkHeaders({ Authorization: ' Bearer x ', 'x-empty': '' })).toBe(
    'Authorization: Bearer x\r\nx-empty: \r\n',
  );
  expect([checkHeaders({}), checkHeaders(undefined)]).toEqual(['', '']);
});

test('most is allowed: 32 fields, 8 KiB', () => {
  const many = Object.fromEntries([...Array(32).keys()].map((i) => [`a${i}`, 'x']));
  expect(checkHeaders(many).split('\r\n')).toHaveLength(33);
  const name = 'a';
  const longest = 'x'.repeat(8192 - `${name}: \r\n`.length);
  expect(checkHeaders({ [name]: longest })).toHaveLength(8192);
});

test.each<[unknown, string]>([
  ['x', 'fetch.headers must be an object of strings'],
  [['x: y'], 'fetch.headers must be an object of strings'],
  [null, 'fetch.headers must be an object of strings'],
  [{ Range: 'bytes=0-' }, 'fetch.headers must not have Range'],
  [{ hOsT: 'h' }, 'fetch.headers must not have hOsT'],
  [{ 'Proxy-Authorization': 'x' }, 'must not have Proxy-Authorization'],
  [{ A: '1', a: '2' }, 'fetch.headers has a twice'],
  [{ 'a b': '1' }, 'fetch.headers must have names'],
  [{ '': '1' }, 'fetch.headers must have names'],
  [{ a: '1\r\nb: 2' }, 'fetch.headers.a must be printable ASCII'],
  [{ a: 'ä' }, 'fetch.headers.a must be printable ASCII'],
  [{ a: 1 }, 'fetch.headers.a must be a string'],
  [{ a: 'x'.repeat(8190) }, 'fetch.headers must have at most 8192 bytes'],
  [
    Object.fromEntries([...Array(33).keys()].map((i) => [`a${i}`, ''])),
    'fetch.headers must have at most 32 fields, got 33',
  ],
])('refused with an error that names the field: %j', (headers, message) => {
  expect(refusalOf(() => checkHeaders(headers)).message).toContain(message);
});

test.each([
  [{ a: 'hunter2\n' }],
  [{ a: ['hunter2'] }],
  [{ 'authorization: hunter2': '' }],
  [['hunter2']],
])('a refused secret is not shown: %#', (headers) => {
  expect(refusalOf(() => checkHeaders(headers)).message).not.toMatch(/hunter2/);
});
