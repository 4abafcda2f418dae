import { once } from 'node:events';
import net from 'node:net';
import { type BlockRequest, blockReply, FILE_TOPIC } from './blocks';

/** One MQTT packet as a client sent it: what it means, with ids of its own choice taken out. */
export interface Sent {
  readonly connection: number;
  readonly name: string;
  /** The packet's first byte, with the flags. */
  readonly head: number;
  /** What follows the remaining length, as latin-1 text. */
  readonly body: string;
}

export interface BrokerScript {
  /** The return code of each CONNACK in turn; the last one counts for all others. Default 0. */
  readonly connack?: readonly number[];
  readonly sessionPresent?: boolean;
  /** What SUBACK grants, unless it is what was asked for. */
  readonly suback?: number;
  readonly noPuback?: boolean;
}

const names = [
  '',
  'CONNECT',
  'CONNACK',
  'PUBLISH',
  'PUBACK',
  'PUBREC',
  'PUBREL',
  'PUBCOMP',
  'SUBSCRIBE',
  'SUBACK',
  'UNSUBSCRIBE',
  'UNSUBACK',
  'PINGREQ',
  'PINGRESP',
  'DISCONNECT',
  '',
] as const;

/**
 * A QoS 0 message on a topic that begins so comes back: what the client heard before it, it has
 * heard.
 */
export const ECHO = '/parity/echo/';

const GET_TOPIC = '/thing/ota/firmware/get';

/** A broker that does what its script says and keeps every packet it gets. Loopback, plain TCP. */
export class Broker {
  readonly sent: Sent[] = [];
  /** What it answers to a question for an upgrade, as the `data` of the reply: there is none. */
  upgrade = '{}';
  readonly #server: net.Server;
  readonly #script: BrokerScript;
  readonly #image: Buffer;
  readonly #sockets = new Set<net.Socket>();
  #socket: net.Socket | undefined;
  #connections = 0;
  #nextId = 1;
  readonly #waiting: (() => void)[] = [];

  private constructor(script: BrokerScript, image: Buffer) {
    this.#script = script;
    this.#image = image;
    this.#server = net.createServer((socket) => this.#accept(socket));
  }

  /** `image` is what it gives in blocks. */
  static async start(script: BrokerScript = {}, image: Buffer = Buffer.alloc(0)): Promise<Broker> {
    const broker = new Broker(script, image);
    broker.#server.listen(0, '127.0.0.1');
    await once(broker.#server, 'listening');
    return broker;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  publish(topic: string, payload: Buffer, qos: number): void {
    const name = Buffer.from(topic);
    const id = qos > 0 ? u16(this.#nextId++) : Buffer.alloc(0);
    if (this.#socket)
      write(this.#socket, 0x30 | (qos << 1), Buffer.concat([u16(name.length), name, id, payload]));
  }

  /** Sends bytes as they are. */
  raw(bytes: Buffer): void {
    this.#socket?.write(bytes);
  }

  /** Ends the connection without a word. */
  drop(): void {
    this.#socket?.destroy();
  }

  /** Resolves when a packet that is asked for has come. */
  async until(is: (sent: Sent) => boolean): Promise<void> {
    while (!this.sent.some(is)) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
  }

  /** Resolves when every client has closed its connection, so that all it has sent is here. */
  async left(): Promise<void> {
    for (const socket of this.#sockets) {
      await new Promise((resolve) => socket.once('close', resolve));
    }
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(socket: net.Socket): void {
    let waiting: Buffer = Buffer.alloc(0);
    const connection = ++this.#connections;
    this.#sockets.add(socket);
    this.#socket = socket;
    socket.setNoDelay();
    socket.on('error', () => socket.destroy());
    socket.on('close', () => this.#sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      waiting = Buffer.concat([waiting, chunk]);
      for (let packet = first(waiting); packet; packet = first(waiting)) {
        waiting = waiting.subarray(packet.end);
        this.#take({ connection, socket }, packet.head, packet.body);
      }
    });
  }

  #take(from: Client, head: number, body: Buffer): void {
    const { connection, socket } = from;
    const name = names[head >> 4] ?? '';
    const at = idPlace(name, head, body);
    const id = at === undefined ? 0 : body.readUInt16BE(at);
    const shown = Buffer.from(body);
    if (at !== undefined) shown.writeUInt16BE(0, at);
    this.sent.push({ connection, name, head, body: shown.toString('latin1') });
    for (const wake of this.#waiting.splice(0)) wake();
    if (name === 'PUBLISH') this.#answer(socket, body);
    if (name === 'CONNECT') this.#connack(from);
    else if (name === 'SUBSCRIBE') this.#suback(socket, body, id);
    else if (name === 'UNSUBSCRIBE') write(socket, 0xb0, u16(id));
    else if (name === 'PUBLISH' && at !== undefined && !this.#script.noPuback)
      write(socket, 0x40, u16(id));
    else if (name === 'PUBREC') write(socket, 0x62, u16(id));
    else if (name === 'PINGREQ') write(socket, 0xd0, Buffer.alloc(0));
  }

  #answer(socket: net.Socket, body: Buffer): void {
    const end = 2 + body.readUInt16BE(0);
    const topic = body.subarray(2, end).toString();
    if (topic.startsWith(ECHO)) write(socket, 0x30, body);
    const reply = this.#replyTo(topic, body.subarray(end).toString());
    if (reply) this.publish(`${topic}_reply`, reply, 0);
  }

  #replyTo(topic: string, text: string): Buffer | undefined {
    if (topic.endsWith(FILE_TOPIC))
      return blockReply(JSON.parse(text) as BlockRequest, this.#image);
    if (!topic.endsWith(GET_TOPIC)) return undefined;
    const { id } = JSON.parse(text) as { id: string };
    return Buffer.from(`{"id":"${id}","code":200,"data":${this.upgrade}}`);
  }

  #connack({ connection, socket }: Client): void {
    const codes = this.#script.connack ?? [0];
    const code = codes[Math.min(connection, codes.length) - 1] ?? 0;
    const present = this.#script.sessionPresent && connection > 1 && code === 0 ? 1 : 0;
    write(socket, 0x20, Buffer.from([present, code]));
  }

  #suback(socket: net.Socket, body: Buffer, id: number): void {
    const granted: number[] = [];
    for (let at = 2; at < body.length; ) {
      const qos = at + 2 + body.readUInt16BE(at);
      granted.push(this.#script.suback ?? (body[qos] as number));
      at = qos + 1;
    }
    write(socket, 0x90, Buffer.from([...u16(id), ...granted]));
  }
}

interface Client {
  readonly connection: number;
  readonly socket: net.Socket;
}

function write(socket: net.Socket, head: number, body: Buffer): void {
  const length: number[] = [];
  for (let rest = body.length; length.length === 0 || rest > 0; rest = Math.floor(rest / 128)) {
    length.push((rest % 128) | (rest >= 128 ? 128 : 0));
  }
  socket.write(Buffer.concat([Buffer.from([head, ...length]), body]));
}

function u16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 255]);
}

/** The first whole packet of the bytes. */
function first(bytes: Buffer): { head: number; body: Buffer; end: number } | undefined {
  let length = 0;
  for (let at = 1; at < bytes.length && at <= 4; at++) {
    const byte = bytes[at] as number;
    length += (byte & 127) * 128 ** (at - 1);
    if (byte < 128) {
      const end = at + 1 + length;
      return bytes.length >= end
        ? { head: bytes[0] as number, body: bytes.subarray(at + 1, end), end }
        : undefined;
    }
  }
  return undefined;
}

function idPlace(name: string, head: number, body: Buffer): number | undefined {
  if (name === 'PUBLISH') return head & 6 ? 2 + body.readUInt16BE(0) : undefined;
  return ['PUBACK', 'PUBREC', 'PUBREL', 'PUBCOMP', 'SUBSCRIBE', 'UNSUBSCRIBE'].includes(name)
    ? 0
    : undefined;
}
