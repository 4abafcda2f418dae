import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { reset } from './reset';

// An HTTP server on bare sockets, so that it can violate HTTP at every byte. What it answers is a
// schedule: the first reply is for the first request, and the last one for all that follow.

/** A request as it came. */
export interface FaultRequest {
  /** 0 for the first of all. */
  readonly number: number;
  /** 0 for the first connection. */
  readonly connection: number;
  /** 0 for the first request of its connection. */
  readonly nth: number;
  readonly method: string;
  readonly target: string;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** The header of that name. */
  readonly range: string | undefined;
}

/** A request and what became of it. */
export interface FaultRecord extends FaultRequest {
  /** 0: no answer with a status was begun. */
  readonly status: number;
  /** Of the body, framing apart: what the system has taken over from this process. */
  readonly bytes: number;
}

/** Answers one request. It resolves when the connection may carry another one, or has ended. */
export type Reply = (exchange: Exchange) => void | Promise<void>;

/** PEM texts. */
export interface FaultIdentity {
  readonly key: string;
  readonly cert: string;
}

export interface FaultServerOptions {
  /** What is served. */
  readonly image: Buffer;
  /** Absent: plain HTTP. */
  readonly tls?: FaultIdentity;
  /** At least one. */
  readonly schedule: readonly Reply[];
}

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

const HEAD_END = '\r\n\r\n';

/** One request and the connection to answer it on. */
export class Exchange {
  readonly request: FaultRequest;
  readonly image: Buffer;
  /** Resolves when the connection has ended, whoever did it. */
  readonly gone: Promise<void>;
  readonly #raw: Socket;
  readonly #socket: Socket;
  readonly #record: Mutable<FaultRecord>;
  readonly #lost: Promise<boolean>;

  constructor(image: Buffer, connection: Connection, record: Mutable<FaultRecord>) {
    this.image = image;
    this.request = record;
    this.gone = connection.gone;
    this.#lost = connection.gone.then(() => false);
    this.#raw = connection.raw;
    this.#socket = connection.socket;
    this.#record = record;
  }

  /** Scheme and port of this server, for redirects. */
  get origin(): string {
    const scheme = this.#socket === this.#raw ? 'http' : 'https';
    return `${scheme}://127.0.0.1:${this.#raw.localPort}`;
  }

  get closed(): boolean {
    return this.#socket.destroyed || this.#raw.destroyed;
  }

  /** Notes which status is being sent. */
  set status(status: number) {
    this.#record.status = status;
  }

  /** Resolves when the system has taken it, with false when the connection has ended. */
  async write(data: string | Buffer): Promise<boolean> {
    if (this.closed || this.#socket.writableEnded) return false;
    const written = new Promise<boolean>((resolve) => {
      this.#socket.write(data, (error) => resolve(!error));
    });
    // Under TLS a write may never be answered when the connection breaks beneath it.
    return Promise.race([written, this.#lost]);
  }

  /** As {@link write}, counted as body. */
  async writeBody(data: Buffer): Promise<boolean> {
    const written = await this.write(data);
    if (written) this.#record.bytes += data.length;
    return written;
  }

  /** Ends the connection in order: close_notify under TLS, then FIN. */
  async close(): Promise<void> {
    if (!this.closed) this.#socket.end();
    await this.gone;
  }

  /** Ends the connection by FIN alone; under TLS that is a truncation. */
  async cut(): Promise<void> {
    if (!this.closed) this.#raw.end();
    await this.gone;
  }

  /** Ends the connection by RST. */
  async reset(): Promise<void> {
    if (!this.closed) {
      reset(this.#raw);
      this.#socket.destroy();
    }
    await this.gone;
  }
}

interface Connection {
  readonly number: number;
  readonly raw: Socket;
  /** The TLS on it, or itself. */
  readonly socket: Socket;
  readonly gone: Promise<void>;
}

/** An HTTP server on loopback that answers as its schedule says, and remembers what it was asked. */
export class FaultServer implements AsyncDisposable {
  readonly #options: FaultServerOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #records: FaultRecord[] = [];
  readonly #answering = new Set<Promise<void>>();
  /** The connections that were accepted, by the client's port. */
  readonly #accepted = new Map<number | undefined, Promise<void>>();
  #schedule: readonly Reply[];
  #next = 0;
  #connections = 0;
  #probes = 0;

  private constructor(options: FaultServerOptions) {
    this.#options = options;
    this.#schedule = options.schedule;
    this.#server = createServer((socket) => this.#accept(socket));
  }

  static async start(options: FaultServerOptions): Promise<FaultServer> {
    const server = new FaultServer(options);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  /** Of the image; every other path of this server is answered by the same schedule. */
  get url(): string {
    const scheme = this.#options.tls === undefined ? 'http' : 'https';
    return `${scheme}://127.0.0.1:${this.port}/image.bin?Signature=secret`;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** In the order in which they came. */
  get requests(): readonly FaultRecord[] {
    return this.#records;
  }

  /** How many were opened. */
  get connections(): number {
    return this.#connections - this.#probes;
  }

  /** Body bytes of all answers. */
  get sent(): number {
    return this.#records.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /**
   * Resolves when no answer is under way: what the client has received may not have been counted
   * before. A client that is still connected to an answer that stalls keeps it waiting.
   */
  async idle(): Promise<void> {
    while (this.#answering.size > 0) await Promise.all(this.#answering);
  }

  /**
   * Resolves when every connection that was opened before has been accepted, was read to its end, and has
   * ended: a client that gives up may be done before this process has seen what it asked for.
   */
  async settled(): Promise<void> {
    // Connections are accepted in the order in which they came.
    const last = connect(this.port, '127.0.0.1');
    await once(last, 'connect');
    while (!this.#accepted.has(last.localPort)) await once(this.#server, 'connection');
    this.#probes += 1;
    last.destroy();
    await Promise.all(this.#accepted.values());
    await this.idle();
  }

  /** From the next request on another schedule. */
  reschedule(schedule: readonly Reply[]): void {
    this.#schedule = schedule;
    this.#next = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #accept(raw: Socket): void {
    const { tls } = this.#options;
    raw.setNoDelay(true);
    const socket = tls === undefined ? raw : new TLSSocket(raw, { isServer: true, ...tls });
    // Which of the two tells its end depends on how it ends.
    const gone = new Promise<void>((resolve) => {
      for (const each of [raw, socket]) each.once('close', () => resolve());
    });
    this.#sockets.add(raw);
    this.#accepted.set(raw.remotePort, gone);
    // A client that goes away in the middle is no error of this server.
    for (const each of new Set([raw, socket])) each.on('error', () => raw.destroy());
    gone.then(() => {
      this.#sockets.delete(raw);
      raw.destroy();
      socket.destroy();
    });
    socket.once('end', () => socket.end());
    this.#converse({ number: this.#connections++, raw, socket, gone });
  }

  /**
   * Answers the requests of one connection, one after another. What comes once its end was sent is no request: nobody
   * reads it any more.
   */
  #converse(connection: Connection): void {
    let text = '';
    let busy = false;
    let nth = 0;
    const answerOn = async (): Promise<void> => {
      if (busy) return;
      busy = true;
      for (let end = text.indexOf(HEAD_END); end >= 0; end = text.indexOf(HEAD_END)) {
        const head = text.slice(0, end);
        text = text.slice(end + HEAD_END.length);
        if (hasEnded(connection)) return;
        await this.#answer(connection, nth++, head);
      }
      busy = false;
    };
    connection.socket.on('data', (data: Buffer) => {
      text += data.toString('latin1');
      void answerOn();
    });
  }

  async #answer(connection: Connection, nth: number, head: string): Promise<void> {
    const numbers = { number: this.#records.length, connection: connection.number, nth };
    const record = { ...parseHead(head), ...numbers, status: 0, bytes: 0 };
    this.#records.push(record);
    const reply = this.#schedule[Math.min(this.#next++, this.#schedule.length - 1)] as Reply;
    const exchange = new Exchange(this.#options.image, connection, record);
    const answering = Promise.resolve(reply(exchange));
    this.#answering.add(answering);
    await answering;
    this.#answering.delete(answering);
  }
}

function hasEnded({ raw, socket }: Connection): boolean {
  return [raw, socket].some(({ destroyed, writableEnded }) => destroyed || writableEnded);
}

function parseHead(head: string): Omit<FaultRequest, 'number' | 'connection' | 'nth'> {
  const [first = '', ...lines] = head.split('\r\n');
  const [method = '', target = ''] = first.split(' ');
  const headers = new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
    }),
  );
  return { method, target, headers, range: headers.get('range') };
}
