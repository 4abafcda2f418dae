import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  daemonStatus,
  failuresOf,
  reasonOf,
} from '../../../../lib/install/backends/swupdate-status';

// A daemon that is played: what another version might answer. The real one is in test/peers.

let folder = '';
let server: Server | undefined;
beforeEach(() => {
  // How long this process takes to answer itself decides nothing.
  jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
  folder = mkdtempSync(path.join(tmpdir(), 'iotkit-swupdate-'));
});
afterEach(async () => {
  jest.useRealTimers();
  await new Promise((resolve) => (server === undefined ? resolve(0) : server.close(resolve)));
  server = undefined;
  rmSync(folder, { recursive: true });
});

/** Answers each question with the next of these, then with nothing. */
function answer(...answers: readonly Buffer[]): Promise<void> {
  let asked = 0;
  const daemon = createServer((socket) => {
    socket.once('data', () => {
      socket.end(answers[asked] ?? Buffer.alloc(0));
      asked += 1;
    });
    socket.on('error', () => {});
  });
  server = daemon;
  return new Promise((resolve) => daemon.listen(path.join(folder, 'sockinstctrl'), resolve));
}

function message(status: number, text: string, size = 3120): Buffer {
  const bytes = Buffer.alloc(size);
  bytes.writeInt32LE(0x14052001, 0);
  bytes.writeInt32LE(1, 4);
  bytes.writeInt32LE(status, 8);
  bytes.write(text, 20, 2048, 'latin1');
  return bytes;
}

test('messages, until there are no more', async () => {
  await answer(message(1, 'it has begun'), message(4, 'ERROR : bad'), message(0, ''));
  expect(await daemonStatus(folder)).toEqual({
    messages: [
      { status: 1, text: 'it has begun' },
      { status: 4, text: 'ERROR : bad' },
    ],
    isBusy: false,
    isIdle: true,
  });
});

test.each([
  [0, false, true],
  [1, true, false],
  [2, true, false],
  [3, false, false],
  [4, false, false], // it clears up after one that has failed
])('a daemon with the status %j: busy %j, idle %j', async (status, isBusy, isIdle) => {
  await answer(message(2, 'of an old image'), message(status, ''));
  expect(await daemonStatus(folder)).toMatchObject({ isBusy, isIdle });
});

test.each<[string, Buffer]>([
  ['shorter', message(4, 'bad').subarray(0, 3000)],
  ['longer', message(4, 'bad', 4000)],
  ['longer than any', Buffer.alloc(1_000_000)],
  ['with another beginning', Buffer.alloc(3120)],
  ['with a status that is none', message(77, 'bad')],
  ['with a text that has no end', message(4, 'x'.repeat(2048)).fill('x', 2068)],
])('an answer %s counts as none', async (_, bytes) => {
  await answer(bytes);
  expect(await daemonStatus(folder)).toBeUndefined();
});

test('who answers a byte now and then keeps nobody waiting', async () => {
  const daemon = createServer((socket) => void socket.resume().on('error', () => {}));
  server = daemon;
  const connected = once(daemon, 'connection');
  daemon.listen(path.join(folder, 'sockinstctrl'));
  const asked = daemonStatus(folder);
  const [socket] = (await connected) as [Socket];
  // A whole message would take 156 s.
  for (let ms = 0; ms < 500; ms += 50) {
    socket.write('.');
    await jest.advanceTimersByTimeAsync(50);
  }
  expect(await asked).toBeUndefined();
});

test('who has always more to say is asked no longer than is of use', async () => {
  await answer(...Array.from({ length: 300 }, () => message(4, 'ERROR : bad')));
  expect((await daemonStatus(folder))?.messages.length).toBeLessThanOrEqual(200);
});

test('no daemon', async () => {
  expect(await daemonStatus(folder)).toBeUndefined();
});

test('the reasons are those of the last installation', () => {
  const messages = [
    { status: 1, text: 'Software Update started !' },
    { status: 4, text: 'ERROR core/a.c : a : 1 : an old one' },
    { status: 1, text: 'Software Update started !' },
    { status: 2, text: '[extract_file_to_tmp] : Found file' },
    { status: 4, text: 'ERROR core/b.c : b : 2 : a new one' },
    { status: 4, text: 'Image invalid or corrupted. Not installing ...' },
  ];
  expect(failuresOf(messages)).toEqual([
    'a new one',
    'Image invalid or corrupted. Not installing ...',
  ]);
  expect(reasonOf('ERROR : HASH mismatch : a <--> b')).toBe('HASH mismatch : a <--> b');
});
