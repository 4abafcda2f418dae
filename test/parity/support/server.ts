import { once } from 'node:events';
import net from 'node:net';
import { reset } from '../../support/reset';

/**
 * How one request is answered. `{size}` and the like in texts are not replaced: bytes go out as
 * they stand.
 */
export interface Answer {
  /**
   * Status line and headers, without the empty line behind them. Default: 200, or 206 to a Range.
   */
  readonly head?: string;
  /**
   * Bytes of the image to send as the body; `from` counts from the start of the range asked for.
   * Default: all.
   */
  readonly body?: { readonly from?: number; readonly length?: number } | string;
  /** Sends the body in chunks of this many bytes. */
  readonly chunked?: number;
  /** More bytes behind the body. */
  readonly more?: number;
  /** Cuts head and body together to this many bytes. */
  readonly cut?: number;
  /** Range is not looked at. */
  readonly ignoreRange?: boolean;
  /** What happens then. Default: the next request is awaited. */
  readonly ending?: 'keep' | 'close' | 'reset' | 'stall';
}

/** Bytes of an image that repeat nowhere near: the same for the same seed. */
export function makeImage(size: number, seed = 1): Buffer {
  const image = Buffer.alloc(size);
  let state = seed * 2654435761;
  for (let i = 0; i < size; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    image[i] = state >>> 24;
  }
  return image;
}

/**
 * A firmware server that does what it is told and keeps each request as it came. Loopback, raw
 * sockets.
 */
export class Server {
  readonly requests: string[] = [];
  readonly #server: net.Server;
  readonly #answers: Readonly<Record<string, readonly Answer[]>>;
  readonly #image: Buffer;
  readonly #asked = new Map<string, number>();
  readonly #sockets = new Set<net.Socket>();

  private constructor(image: Buffer, answers: Readonly<Record<string, readonly Answer[]>>) {
    this.#image = image;
    this.#answers = answers;
    this.#server = net.createServer((socket) => this.#accept(socket));
  }

  /**
   * `answers` of each path in turn; the last one counts for all others. A path without any is
   * answered well.
   */
  static async start(
    image: Buffer,
    answers: Readonly<Record<string, readonly Answer[]>> = {},
  ): Promise<Server> {
    const server = new Server(image, answers);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(socket: net.Socket): void {
    let text = '';
    this.#sockets.add(socket);
    socket.setNoDelay();
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const request = text.slice(0, end + 4);
        text = text.slice(end + 4);
        this.requests.push(request.replaceAll(String(this.port), '{port}'));
        this.#answer(socket, request);
      }
    });
  }

  #answer(socket: net.Socket, request: string): void {
    const path = /^GET ([^ ?]*)/.exec(request)?.[1] ?? '';
    const asked = this.#asked.get(path) ?? 0;
    this.#asked.set(path, asked + 1);
    const list = this.#answers[path] ?? [{}];
    const answer = list[Math.min(asked, list.length - 1)] as Answer;
    const range = /\r\nrange: bytes=(\d+)-/i.exec(request);
    const from = range && !answer.ignoreRange ? Number(range[1]) : 0;
    const bytes = this.#bytes(answer, from, range !== null && !answer.ignoreRange);
    socket.write(bytes.subarray(0, answer.cut ?? bytes.length), () => {
      if (answer.ending === 'close') socket.end();
      if (answer.ending === 'reset') reset(socket);
    });
  }

  #bytes(answer: Answer, from: number, partial: boolean): Buffer {
    const size = this.#image.length;
    const body = this.#body(answer, from);
    const range = `${from}-${size - 1}/${size}`;
    const head =
      answer.head?.replaceAll('{port}', String(this.port)) ??
      (partial
        ? `HTTP/1.1 206 Partial Content\r\nContent-Range: bytes ${range}\r\nContent-Length: ${size - from}`
        : `HTTP/1.1 200 OK\r\nETag: "one"\r\nContent-Length: ${size}`);
    const more = Buffer.alloc(answer.more ?? 0, 0x2b);
    return Buffer.concat([Buffer.from(`${head}\r\n\r\n`, 'latin1'), body, more]);
  }

  #body(answer: Answer, from: number): Buffer {
    if (typeof answer.body === 'string') return Buffer.from(answer.body, 'latin1');
    const begin = from + (answer.body?.from ?? 0);
    const bytes = this.#image.subarray(begin, begin + (answer.body?.length ?? this.#image.length));
    if (!answer.chunked) return bytes;
    const parts: Buffer[] = [];
    for (let at = 0; at < bytes.length; at += answer.chunked) {
      const chunk = bytes.subarray(at, at + answer.chunked);
      parts.push(Buffer.from(`${chunk.length.toString(16)}\r\n`), chunk, Buffer.from('\r\n'));
    }
    return Buffer.concat([...parts, Buffer.from('0\r\n\r\n')]);
  }
}
