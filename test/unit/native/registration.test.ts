// native/device/registration.cc names every option of a registration of the C SDK, each under its own name.
import fs from 'node:fs';
import path from 'node:path';

const root = path.join(__dirname, '../../..');
const read = (file: string) => fs.readFileSync(path.join(root, file), 'utf8');

/** What RegistrationHandle::Start sets itself. */
const setByHand = ['struct_size', 'tls'];

function membersOfStruct(): string[] {
  const header = read('deps/iotkit/include/iotkit_register.h').replaceAll(/\/\*.*?\*\//gs, '');
  const body = /struct iotkit_register_options \{([^}]*)\}/.exec(header)?.[1] ?? '';
  return [...body.matchAll(/(\w+);/g)].map((match) => match[1] ?? '');
}

function rowsOfTable(): { key: string; member: string }[] {
  const source = read('native/device/registration.cc');
  const rows = /IOTKIT_(?:NUMBER|TEXT)\(iotkit_register_options, (\w+), (\w+)/g;
  return [...source.matchAll(rows)].map(([, key = '', member = '']) => ({ key, member }));
}

test('the table has each member of the struct once', () => {
  const members = membersOfStruct().filter((member) => !setByHand.includes(member));
  expect(members.length).toBeGreaterThan(10);
  expect(rowsOfTable().map(({ member }) => member)).toEqual(members);
});

test('an option has the name of its member, a method that of what it signs', () => {
  const camelCase = (name: string) => name.replaceAll(/_(\w)/g, (_, c: string) => c.toUpperCase());
  for (const { key, member } of rowsOfTable()) {
    expect(key).toBe(member === 'method' ? 'signMethod' : camelCase(member));
  }
});
