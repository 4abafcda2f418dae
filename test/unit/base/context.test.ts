import { AsyncLocalStorage } from 'node:async_hooks';
import { inThisContext } from '../../../lib/base/context';

test('functions run in the context in which they were bound, with their arguments', () => {
  const storage = new AsyncLocalStorage<string>();
  const seen: unknown[] = [];
  const functions = {
    one: (a: number, b: string) => seen.push([a, b, storage.getStore()]),
    other: () => seen.push(storage.getStore()),
  };
  const bound = storage.run('mine', () => inThisContext(functions));
  bound.one(1, 'b');
  storage.run('another', () => bound.other());
  expect(seen).toEqual([[1, 'b', 'mine'], 'mine']);
});
