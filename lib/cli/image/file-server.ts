// Tested by test/unit/cli/image/file-server.test.ts
/**
 * Gives a file to the download engine of this process, by which it is verified as one from the network is. On the
 * loopback interface, at a path that nobody else can guess.
 */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { fileError } from '../../install/lock';
import { CommandError } from '../errors';
import { emptyImage } from '../exit-codes';

const CHUNK_BYTES = 256 * 1024;
const shorter = new Error('the file ends early');

export class FileServer {
  readonly url: string;
  readonly #file: FileHandle;
  readonly #server: Server;

  private constructor(file: FileHandle, server: Server, url: string) {
    this.#file = file;
    this.#server = server;
    this.url = url;
  }

  /**
   * @param onError hears of a file that can no longer be read, or not to its end: it was on a stick
   * @throws IotkitError of the file; CommandError, where it is none
   */
  static async open(
    path: string,
    onError: (error: unknown) => void,
  ): Promise<{ readonly server: FileServer; readonly size: number }> {
    // A FIFO that nobody writes to would be waited for.
    const flags = constants.O_RDONLY | constants.O_NONBLOCK;
    const file = await open(path, flags).catch((cause: unknown) =>
      Promise.reject(fileError(path, cause)),
    );
    try {
      const found = await file.stat();
      if (!found.isFile()) throw new CommandError('ERR_FILE_NOT_FOUND', `${path} is no file`);
      if (found.size === 0) throw emptyImage(path);
      const secret = `/${randomBytes(24).toString('hex')}`;
      const server = createServer((request, response) => {
        give(file, found.size, secret, request, response).catch((cause: unknown) => {
          // Who asked may have gone; a file that cannot be read has an error of the system's.
          if (Object(cause).syscall === 'read') onError(fileError(path, cause));
          else if (cause === shorter) {
            onError(new CommandError('ERR_CHANGED', `${path} has become shorter meanwhile`));
          }
        });
      });
      server.listen(0, '127.0.0.1').unref();
      await once(server, 'listening');
      const { port } = server.address() as AddressInfo;
      const url = `http://127.0.0.1:${port}${secret}`;
      return { server: new FileServer(file, server, url), size: found.size };
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    await this.#file.close();
  }
}

async function give(
  file: FileHandle,
  size: number,
  secret: string,
  { url, headers }: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (url !== secret) {
    response.writeHead(404).end();
    return;
  }
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? [];
  const start = Number(from ?? 0);
  const end = to === undefined || to === '' ? size - 1 : Math.min(Number(to), size - 1);
  if (start > end) {
    response.writeHead(416, { 'content-range': `bytes */${size}` }).end();
    return;
  }
  const range = from === undefined ? {} : { 'content-range': `bytes ${start}-${end}/${size}` };
  const length = { 'content-length': end - start + 1, 'accept-ranges': 'bytes' };
  response.writeHead(from === undefined ? 200 : 206, { ...length, ...range });
  await pipeline(bytesOf(file, start, end + 1), response);
}

/** A stream of the file would close it where who asks leaves early, and nobody could ask again. */
async function* bytesOf(file: FileHandle, start: number, end: number): AsyncGenerator<Buffer> {
  for (let at = start; at < end; ) {
    const room = Buffer.allocUnsafe(Math.min(CHUNK_BYTES, end - at));
    const { bytesRead } = await file.read(room, 0, room.length, at);
    if (bytesRead === 0) throw shorter;
    at += bytesRead;
    yield room.subarray(0, bytesRead);
  }
}
