import { codeOf, dayOf, messageOf, within } from '../../../../lib/cli/doctor/finding';

beforeEach(() => jest.useFakeTimers());
afterEach(() => jest.useRealTimers());

test('work in time is what counts, and no timer is left', async () => {
  await expect(within(100, Promise.resolve('done'), () => 'late')).resolves.toBe('done');
  await expect(within(100, Promise.reject(new Error('no')), () => 'late')).rejects.toThrow('no');
  expect(jest.getTimerCount()).toBe(0);
});

test('work that does not end is given up, and may still fail', async () => {
  let refuse: (error: Error) => void = () => {};
  const work = new Promise<string>((_, reject) => {
    refuse = reject;
  });
  const end = within(100, work, () => 'late');
  jest.advanceTimersByTime(100);
  await expect(end).resolves.toBe('late');
  refuse(new Error('after that'));
});

test('of dates and errors it says what is needed', () => {
  expect(dayOf(new Date('2028-01-28T12:00:00Z'))).toBe('2028-01-28');
  expect([messageOf(new Error('a')), messageOf('b')]).toEqual(['a', 'b']);
  const coded = Object.assign(new Error('a'), { code: 'ENOENT' });
  const numbered = Object.assign(new Error('a'), { code: 5 });
  expect([coded, numbered, 'text'].map(codeOf)).toEqual(['ENOENT', undefined, undefined]);
});
