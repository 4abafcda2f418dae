import {
  type Changes,
  type Scheme,
  VariableEnvironment,
  type VariableStore,
} from '../../../../lib/install/boot/environment';

/** Next is what the last change has said, and nothing else. */
const scheme: Scheme = {
  read: (variables) => ({ next: variables.get('next') ?? '', states: new Map() }),
  disable: (_, slot, fallback) => ({ next: fallback, [slot]: undefined }),
  activate: (_, slot) => ({ next: slot }),
  confirm: (_, slot) => ({ [slot]: 'good' }),
};

let variables: Map<string, string>;
let calls: string[];
let store: VariableStore;
let loader: VariableEnvironment;
beforeEach(() => {
  variables = new Map([['next', 'A']]);
  calls = [];
  store = {
    place: 'the store',
    check: async () => void calls.push('check'),
    read: async () => new Map(variables),
    assertWritable: async (_, changes) => void calls.push(`may ${said(changes)}`),
    write: async (changes) => {
      calls.push(`write ${said(changes)}`);
      for (const [name, value] of Object.entries(changes)) {
        if (value === undefined) variables.delete(name);
        else variables.set(name, value);
      }
    },
  };
  loader = new VariableEnvironment('test', store, scheme);
});

const said = (changes: Changes): string =>
  Object.entries(changes)
    .map(([name, value]) => `${name}=${value}`)
    .join(' ');

test('a check looks at the store, and at what the activation of each slot would write', async () => {
  await loader.check(['A', 'B']);
  expect(calls).toEqual(['check', 'may next=A', 'may next=B']);
});

test('what differs is written, once it has a place', async () => {
  variables.set('A', 'good');
  await loader.disable('A', 'B', ['A', 'B']);
  expect(calls).toEqual(['may next=B A=undefined', 'write next=B A=undefined']);
  await loader.confirm('B', ['A', 'B']);
  expect(calls.slice(2)).toEqual(['may B=good', 'write B=good']);
});

test('what is in force already is not written again', async () => {
  await loader.activate('A', ['A', 'B']);
  await loader.disable('B', 'A', ['A', 'B']);
  expect(calls).toEqual([]);
});

test('what has no place is not written', async () => {
  jest.spyOn(store, 'assertWritable').mockRejectedValue(new Error('no room'));
  await expect(loader.activate('B', ['A', 'B'])).rejects.toThrow('no room');
  expect(variables.get('next')).toBe('A');
});

test('a store that does not keep what is written is an error that names it', async () => {
  jest.spyOn(store, 'write').mockResolvedValue();
  await expect(loader.activate('B', ['A', 'B'])).rejects.toMatchObject({
    code: 'ERR_BOOT_STATE',
    detail: 'the store does not keep what is written: next',
  });
});
