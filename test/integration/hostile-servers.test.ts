import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { md5 } from '../support/image';
import { nextUpgrade, World } from '../support/world';

// Firmware servers that speak HTTP as nobody should: each ends in one error and leaves no file.

const image = Buffer.from('hello world');
const ok = 'HTTP/1.1 200 OK\r\n';

/** Writes `text` again and again for as long as the client takes it. */
function flood(socket: Socket, text: string): void {
  const write = (): void => {
    while (!socket.destroyed && socket.write(text));
  };
  socket.on('drain', write);
  write();
}

const answers: ReadonlyArray<readonly [string, string, (socket: Socket) => void]> = [
  [
    'endless header fields',
    'ERR_HTTP_HEAD_TOO_LARGE',
    (socket) => {
      socket.write(ok);
      flood(socket, 'X-A: b\r\n');
    },
  ],
  [
    'endless interim answers',
    'ERR_HTTP_PROTOCOL',
    (socket) => flood(socket, 'HTTP/1.1 100 Continue\r\n\r\n'),
  ],
  ['an endless status line', 'ERR_HTTP_PROTOCOL', (socket) => flood(socket, 'HTTP')],
  [
    'endless redirects',
    'ERR_HTTP_REDIRECTS',
    (socket) => socket.end('HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n'),
  ],
  [
    'a redirect to a file',
    'ERR_URL_SCHEME',
    (socket) => socket.end('HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n'),
  ],
  [
    'a length that overflows 64 bits',
    'ERR_HTTP_PROTOCOL',
    (socket) => socket.end(`${ok}Content-Length: 18446744073709551627\r\n\r\nhello world`),
  ],
  [
    'a chunk size that overflows 64 bits',
    'ERR_HTTP_PROTOCOL',
    (socket) =>
      socket.end(`${ok}Transfer-Encoding: chunked\r\n\r\n1000000000000000b\r\nhello world`),
  ],
  [
    'a length and chunks',
    'ERR_HTTP_PROTOCOL',
    (socket) =>
      socket.end(`${ok}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nb\r\nhello world`),
  ],
  ['a body without an end', 'ERR_SIZE_MISMATCH', (socket) => flood(socket, `${ok}\r\nhello`)],
];

test.each(answers)('%s: %s', async (_, code, answer) => {
  await using world = await World.open();
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => answer(socket));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  world.platform.faults.set({
    kind: 'notice-patch',
    data: { url, size: image.length, sign: md5(image), md5: md5(image), signMethod: 'MD5' },
  });
  const device = await world.connect(await world.register(), {
    fetch: { maxRetries: 1, retry: { min: 1, max: 1 } },
  });
  await world.report(device, '1.0.0');
  const { id: firmwareId } = await world.store(image);
  const coming = nextUpgrade(device);
  await world.platform.upgrades.start({ firmwareId, devices: ['lamp'] });
  const download = (await coming).download(world.path('image'));
  await expect(download).rejects.toMatchObject({ code });
  expect(await world.files()).toEqual([]);
  await once(server.close(), 'close');
});
