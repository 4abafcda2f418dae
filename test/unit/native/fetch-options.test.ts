// native/download/fetch_options.cc names every fetch option of the C SDK, each under its own name.
import fs from 'node:fs';
import path from 'node:path';

const root = path.join(__dirname, '../../..');
const read = (file: string) => fs.readFileSync(path.join(root, file), 'utf8');

/** What FetchOptions::Read sets itself: objects, and what is native's own affair. */
const setByHand = [
  ...['tls', 'keys', 'limiters', 'external_digest', 'product_key'],
  ...['struct_size', 'reserved'],
];

function membersOfStruct(): string[] {
  const header = read('deps/iotkit/include/iotkit_ota.h').replaceAll(/\/\*.*?\*\//gs, '');
  const body = /struct iotkit_fetch_options \{([^}]*)\}/.exec(header)?.[1] ?? '';
  return [...body.matchAll(/(\w+)(?:\[\d+\])?;/g)].map((match) => match[1] ?? '');
}

function rowsOfTable(): { key: string; member: string }[] {
  const source = read('native/download/fetch_options.cc');
  const rows = /IOTKIT_(?:NUMBER|TEXT)\(iotkit_fetch_options, (\w+), (\w+)/g;
  return [...source.matchAll(rows)].map(([, key = '', member = '']) => ({ key, member }));
}

const camelCase = (name: string) => name.replaceAll(/_(\w)/g, (_, c: string) => c.toUpperCase());

test('the table has each member of the struct once', () => {
  const members = membersOfStruct().filter((member) => !setByHand.includes(member));
  expect(members.length).toBeGreaterThan(15);
  expect(rowsOfTable().map(({ member }) => member)).toEqual(members);
});

test('an option has the name of its member', () => {
  for (const { key, member } of rowsOfTable()) expect(key).toBe(camelCase(member));
});
