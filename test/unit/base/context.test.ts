import { AsyncLocalStorage } from 'node:async_hooks';
import { callingInContext } from '../../../lib/base/context';

const storage = new AsyncLocalStorage<string>();

class Target {
  readonly seen: unknown[] = [];

  one(a: number, b: string): number {
    return this.seen.push([a, b, storage.getStore()]);
  }

  other(): void {
    this.seen.push(storage.getStore());
  }
}

const inContext = callingInContext<Target>(['one', 'other']);

test('methods run in the context in which the object was made, with its arguments and its `this`', () => {
  const target = new Target();
  const bound = storage.run('mine', () => inContext(target));
  expect(bound.one(1, 'b')).toBe(1);
  storage.run('another', () => bound.other());
  expect(target.seen).toEqual([[1, 'b', 'mine'], 'mine']);
});

test('objects share their methods: a program has many devices', () => {
  const [first, second] = [inContext(new Target()), inContext(new Target())];
  expect(first.one).toBe(second.one);
  expect(Object.keys(first)).toEqual(Object.keys(second));
  expect(Object.keys(first)).not.toContain('one');
});
