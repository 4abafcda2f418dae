import { open } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { checkTargets, type Target } from '../../../lib/download/targets';
import { refusalOf } from '../support';

const file = { path: '/a', mode: 0, inPlace: false, base: 0, journal: '' };
const writer = { write: () => {} };

test('a path, a file and a device become native targets', () => {
  expect(checkTargets('/a')).toEqual({ native: [file], writer: undefined, path: '/a' });
  expect(checkTargets({ path: '/a', mode: 0o600 }).native).toEqual([{ ...file, mode: 0o600 }]);
  expect(checkTargets({ device: '/dev/x' }).native).toEqual([
    { ...file, path: '/dev/x', inPlace: true },
  ]);
  expect(checkTargets({ device: '/dev/x', offset: 512, journal: '/j' }).native).toEqual([
    { path: '/dev/x', mode: 0, inPlace: true, base: 512, journal: '/j' },
  ]);
});

test('several go together with one writer; events call them by the first path', () => {
  const { native, path, ...rest } = checkTargets([writer, '/a', { device: '/d' }]);
  expect([native.map((it) => it.path), path]).toEqual([['/a', '/d'], '/a']);
  expect([rest.writer?.keepsChunks, rest.writer?.open(() => {})]).toEqual([false, writer]);
  const alone = checkTargets(writer);
  expect([alone.native, alone.writer?.open(() => {}), alone.path]).toEqual([[], writer, undefined]);
});

test('relative paths are those of the working directory of now', () => {
  const here = process.cwd();
  const paths = [
    checkTargets('a'),
    checkTargets({ path: './b/../a' }),
    checkTargets({ device: 'a', journal: 'j' }),
  ].flatMap(({ native }) => native.flatMap(({ path, journal }) => [path, journal]));
  expect(paths).toEqual([`${here}/a`, '', `${here}/./b/../a`, '', `${here}/a`, `${here}/j`]);
  const refusal = refusalOf(() => checkTargets(['a', `${here}/a`]));
  expect(refusal.message).toContain('target[1] is among the targets already');
  const cwd = jest.spyOn(process, 'cwd').mockImplementation(() => {
    throw Object.assign(new Error('uv_cwd'), { code: 'ENOENT' });
  });
  try {
    expect(() => checkTargets('a')).toThrow(
      expect.objectContaining({
        code: 'ERR_FILE_NOT_FOUND',
        detail: expect.stringContaining('working directory'),
      }),
    );
    expect(checkTargets('/a').path).toBe('/a');
  } finally {
    cwd.mockRestore();
  }
});

test('file: URLs are paths, wherever a path may stand', () => {
  const url = pathToFileURL('/a b%c');
  expect(checkTargets(url).native).toEqual([{ ...file, path: '/a b%c' }]);
  expect(checkTargets(url.href).path).toBe('/a b%c');
  expect(checkTargets({ path: url }).path).toBe('/a b%c');
  const [device] = checkTargets({ device: url, journal: url }).native;
  expect([device?.path, device?.journal]).toEqual(['/a b%c', '/a b%c']);
  for (const other of ['https://h/a', 'file://another/a', 'file:///a%2Fb', 'file:///a%00']) {
    const target = other.startsWith('file') ? other : new URL(other);
    expect(refusalOf(() => checkTargets(target)).message).toMatch(/^target must be /);
  }
});

test('streams of Node.js and of the web are writers, as long as they can be written', () => {
  for (const stream of [new PassThrough(), new WritableStream()]) {
    expect(checkTargets([stream, '/a']).writer?.keepsChunks).toBe(true);
  }
  const locked = new WritableStream();
  locked.getWriter();
  expect(refusalOf(() => checkTargets(locked)).message).toContain('somebody else writes');
  const ended = new PassThrough().end();
  expect(refusalOf(() => checkTargets(ended)).message).toContain('written no more');
});

test('a FileHandle is refused, because its write() means something else', async () => {
  await using handle = await open(__filename);
  const message = refusalOf(() => checkTargets(handle as unknown as Target)).message;
  expect(message).toContain('target must not be a FileHandle; give its path');
});

test('one device may be written at two places', () => {
  const { native } = checkTargets([{ device: '/d' }, { device: '/d', offset: 512 }]);
  expect(native.map(({ base }) => base)).toEqual([0, 512]);
});

test.each<[unknown, string]>([
  [[], 'target must be 1-8 targets, got 0'],
  [Array(9).fill('/a'), 'target must be 1-8 targets, got 9'],
  ['', 'target must be 1-4095 characters'],
  [5, 'target must be a path, { path }, { device }, an object with write()'],
  [null, 'target must be a path'],
  [{ file: '/a' }, 'target must be a path'],
  [[['/a']], 'target[0] must be a path'],
  [{ path: 5 }, 'target.path must be a string'],
  [{ path: '/a', mode: 0 }, 'target.mode must be a whole number from 1 to 4095'],
  [{ path: '/a', offset: 1 }, 'target has no option offset'],
  [{ device: '/d', offset: -1 }, 'target.offset must be a whole number from 0'],
  [{ device: '/d', journal: '' }, 'target.journal must be 1-4095 characters'],
  [{ device: '/d', mode: 1 }, 'target has no option mode'],
  [['/a', '/a'], 'target[1] is among the targets already'],
  [[{ device: '/a' }, '/a'], 'target[1] is among the targets already'],
  [[writer, writer], 'target[1] is another writer; there may be one'],
  [{ write: 1 }, 'target.write must be a function'],
  [{ ...writer, close: 1 }, 'target.close must be a function'],
  [{ ...writer, abort: 1 }, 'target.abort must be a function'],
])('%j is refused', (target, message) => {
  expect(refusalOf(() => checkTargets(target as Target)).message).toContain(message);
});
