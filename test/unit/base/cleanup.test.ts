import { endQuietly, withEnd } from '../../../lib/base/cleanup';

const fails = (error: Error) => async (): Promise<never> => {
  throw error;
};
const first = new Error('what was done');
const second = new Error('how it ended');

test('the result of the work, after its end', async () => {
  const done: string[] = [];
  const work = async (): Promise<number> => done.push('work');
  expect(await withEnd(work, async () => done.push('end'))).toBe(1);
  expect(await withEnd(work, () => undefined)).toBe(3);
  expect(done).toEqual(['work', 'end', 'work']);
});

test('the first error is the error', async () => {
  await expect(withEnd(fails(first), fails(second))).rejects.toBe(first);
  await expect(withEnd(async () => 1, fails(second))).rejects.toBe(second);
  const throws = (): never => {
    throw second;
  };
  await expect(withEnd(fails(first), throws)).rejects.toBe(first);
  await expect(endQuietly(throws)).resolves.toBeUndefined();
});
