import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

/** Serves one image, whole or in ranges, and can hold an answer up in its middle. */
export class RangedServer implements AsyncDisposable {
  /** The ranges that were asked for; undefined: the whole image. */
  readonly asked: (string | undefined)[] = [];
  /** Bytes of an answer after which no more are sent; undefined: all are. */
  stallAfter: number | undefined;
  /** Whether answers do not say how long they are. */
  isChunked = false;
  url = '';
  readonly #server: http.Server;

  private constructor(server: http.Server) {
    this.#server = server;
  }

  static async open(image: Uint8Array): Promise<RangedServer> {
    const server = http.createServer();
    const self = new RangedServer(server);
    server.on('request', ({ headers }, response) => self.#answer(image, headers.range, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    self.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return self;
  }

  #answer(image: Uint8Array, range: string | undefined, response: http.ServerResponse): void {
    this.asked.push(range);
    const [, from = 0, to] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? [];
    const end = to === undefined || to === '' ? image.length - 1 : Number(to);
    const body = image.subarray(Number(from), end + 1);
    response.writeHead(range === undefined ? 200 : 206, {
      ...(!this.isChunked && { 'content-length': body.length }),
      etag: '"one"',
      ...(range !== undefined && { 'content-range': `bytes ${from}-${end}/${image.length}` }),
    });
    if (this.stallAfter === undefined || body.length <= this.stallAfter) response.end(body);
    else response.write(body.subarray(0, this.stallAfter));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.closeAllConnections();
    await once(this.#server.close(), 'close');
  }
}
