import type { LogEntry } from '../../../lib/logs/device-logs';
import { LogTail } from '../../../lib/logs/log-tail';

const contents = (tail: LogTail): string[] => tail.entries().map(({ content }) => content);

test('the last entries stay, with the time of when they were added', () => {
  jest.useFakeTimers({ now: 5 });
  const tail = new LogTail(10);
  tail.add({ level: 'info', content: 'abcd' });
  jest.setSystemTime(6);
  tail.add({ level: 'warn', content: 'efgh', code: 7 });
  jest.useRealTimers();
  expect(tail.entries()).toEqual([
    { level: 'info', content: 'abcd', time: 5 },
    { level: 'warn', content: 'efgh', code: 7, time: 6 },
  ]);
  tail.add({ level: 'info', content: 'ijk' });
  expect(contents(tail)).toEqual(['efgh', 'ijk']);
  tail.clear();
  expect(contents(tail)).toEqual([]);
});

test('an entry that is longer than all is cut to its end, between characters', () => {
  const tail = new LogTail(5);
  tail.add({ level: 'info', content: 'before' });
  tail.add({ level: 'info', content: 'ää😀' });
  expect(contents(tail)).toEqual(['😀']);
  tail.add({ level: 'info', content: 'z' });
  expect(contents(tail)).toEqual(['😀', 'z']);
});

test('64 KiB are kept unless told otherwise', () => {
  const tail = new LogTail();
  for (let i = 0; i < 100; i += 1) tail.add({ level: 'debug', content: 'x'.repeat(1024) });
  expect(tail.entries()).toHaveLength(64);
});

test('entries without content are bounded as well', () => {
  for (const [maxBytes, kept] of [
    [1, 1000],
    [65_536, 1024],
  ] as const) {
    const tail = new LogTail(maxBytes);
    for (let i = 0; i < 5000; i += 1) tail.add({ level: 'debug', content: '', time: i });
    expect(tail.entries()).toHaveLength(kept);
    expect(tail.entries().at(-1)?.time).toBe(4999);
    tail.add({ level: 'debug', content: 'x', time: 5000 });
    expect(tail.entries()).toHaveLength(kept);
  }
});

test.each([[0], [1.5], ['1'], [2 ** 24 + 1]])('a size of %j is refused', (size) => {
  expect(() => new LogTail(size as number)).toThrow(/maxBytes/);
});

test.each([
  ['level', 'x'],
  ['content', 'a\0b'],
  ['module', 'm'.repeat(65)],
  ['code', 'c'.repeat(65)],
  ['trace', 't'.repeat(65)],
  ['trace', ''],
  ['time', Number.NaN],
])('what post() would refuse is refused when it is added: %s %j', (member, value) => {
  const tail = new LogTail();
  const entry = { level: 'info', content: '', [member]: value } as unknown as LogEntry;
  expect(() => tail.add(entry)).toThrow(`entry.${member} must be`);
  expect(tail.entries()).toEqual([]);
});

test('module, code and trace count as content does', () => {
  const tail = new LogTail(1000);
  const names = { module: 'm'.repeat(40), code: 'c'.repeat(20), trace: 'ä'.repeat(10) };
  for (let i = 0; i < 50; i += 1) tail.add({ level: 'info', content: 'x'.repeat(20), ...names });
  expect(tail.entries()).toHaveLength(10);
  expect(tail.entries()[0]).toMatchObject(names);
});

test('the last entry stays, however long its names are', () => {
  const tail = new LogTail(1);
  tail.add({ level: 'info', content: 'ab', module: 'agent' });
  tail.add({ level: 'info', content: 'cd', module: 'agent' });
  expect(tail.entries()).toMatchObject([{ content: 'd', module: 'agent' }]);
});

test('an entry is kept as it was when it was added, with what it inherits', () => {
  const entry = Object.assign(Object.create({ level: 'warn', trace: 't' }), { content: 'x' });
  const tail = new LogTail();
  tail.add(entry);
  entry.content = 'y';
  expect(tail.entries()).toMatchObject([{ level: 'warn', trace: 't', content: 'x' }]);
});
