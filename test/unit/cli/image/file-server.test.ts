import { once } from 'node:events';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { FileServer } from '../../../../lib/cli/image/file-server';

const image = Buffer.alloc(8 * 1024 * 1024, 'image');

let folder: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'iotkit-file-server-'));
  file = path.join(folder, 'image');
  writeFileSync(file, image);
});
afterEach(() => rmSync(folder, { recursive: true }));

async function ask(url: string, range?: string): Promise<IncomingMessage> {
  const request = get(url, { headers: range === undefined ? {} : { range }, agent: false });
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return response;
}

/** Whoever asks leaves in the middle of the answer. */
async function leave(url: string): Promise<void> {
  const response = await ask(url);
  await once(response, 'readable');
  response.destroy();
  await once(response, 'close');
}

test('whoever has left in the middle asks again, for all and for a part', async () => {
  const { server, size } = await FileServer.open(file, () => {});
  expect(size).toBe(image.length);
  await leave(server.url);
  await leave(server.url);
  expect((await buffer(await ask(server.url))).equals(image)).toBe(true);
  const part = await ask(server.url, 'bytes=3-1000007');
  expect(part).toMatchObject({
    statusCode: 206,
    headers: { 'content-range': `bytes 3-1000007/${image.length}`, 'content-length': '1000005' },
  });
  expect((await buffer(part)).equals(image.subarray(3, 1_000_008))).toBe(true);
  await server.close();
});

test('it is closed while somebody reads', async () => {
  const { server } = await FileServer.open(file, () => {});
  const response = await ask(server.url);
  response.on('error', () => {});
  await server.close();
  response.destroy();
});

test('a file that has become shorter is said, and breaks the answer off', async () => {
  let hear: (error: unknown) => void = () => {};
  const heard = new Promise((resolve) => {
    hear = resolve;
  });
  const { server } = await FileServer.open(file, hear);
  truncateSync(file, 1000);
  await expect(buffer(await ask(server.url))).rejects.toThrow('aborted');
  expect(await heard).toMatchObject({ code: 'ERR_CHANGED', message: expect.stringMatching(file) });
  await server.close();
});
