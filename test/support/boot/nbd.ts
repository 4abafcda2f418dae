/** A server of network block devices (NBD, fixed newstyle), so that qemu has a disk that a test holds. */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { PowerDisk } from './power-disk';

const OPTION_MAGIC = 0x49484156454f5054n; // IHAVEOPT
const REPLY_MAGIC = 0x3e889045565a9n;
const REQUEST = 0x25609513;
const SIMPLE_REPLY = 0x67446698;

const option = { abort: 2, info: 6, go: 7 } as const;
const reply = { ack: 1, info: 3, unsupported: 0x80000001 } as const;
const command = { read: 0, write: 1, disconnect: 2, flush: 3 } as const;

const FIXED_NEWSTYLE = 1;
/** Has flags, takes flushes, and writes that are flushed at once (FUA). */
const EXPORT_FLAGS = 1 | 4 | 8;
const FUA = 1;
const EINVAL = 22;
const LENGTH_MAX = 32 * 1024 * 1024;

/** The disk for one machine at a time, on a socket of the file system. */
export class DiskServer {
  private constructor(private readonly server: Server) {}

  static async listen(path: string, disk: PowerDisk): Promise<DiskServer> {
    const server = createServer((socket) => {
      socket.on('error', () => {}); // the machine is gone
      serve(socket, disk).catch((error: unknown) => socket.destroy(error as Error));
    });
    server.listen(path);
    await once(server, 'listening');
    return new DiskServer(server);
  }

  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    await closed;
  }
}

async function serve(socket: Socket, disk: PowerDisk): Promise<void> {
  const input = new Input(socket);
  const head = Buffer.alloc(18);
  head.write('NBDMAGIC');
  head.writeBigUInt64BE(OPTION_MAGIC, 8);
  head.writeUInt16BE(FIXED_NEWSTYLE, 16);
  socket.write(head);
  if ((await input.take(4)) === undefined) return;
  if (await negotiate(input, socket, disk)) await transmit(input, socket, disk);
  socket.destroy();
}

/** Answers options until the client takes the disk; false: it has left. */
async function negotiate(input: Input, socket: Socket, disk: PowerDisk): Promise<boolean> {
  for (;;) {
    const head = await input.take(16);
    if (head === undefined) return false;
    const asked = head.readUInt32BE(8);
    const length = head.readUInt32BE(12);
    if (head.readBigUInt64BE(0) !== OPTION_MAGIC || length > 4096) return false;
    if (length > 0 && (await input.take(length)) === undefined) return false;
    if (asked === option.abort) return false;
    if (asked !== option.go && asked !== option.info) {
      socket.write(answer(asked, reply.unsupported));
      continue;
    }
    const shape = Buffer.alloc(12);
    shape.writeBigUInt64BE(BigInt(disk.size), 2);
    shape.writeUInt16BE(EXPORT_FLAGS, 10);
    socket.write(answer(asked, reply.info, shape));
    socket.write(answer(asked, reply.ack));
    if (asked === option.go) return true;
  }
}

function answer(asked: number, type: number, data = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(20);
  head.writeBigUInt64BE(REPLY_MAGIC);
  head.writeUInt32BE(asked, 8);
  head.writeUInt32BE(type, 12);
  head.writeUInt32BE(data.length, 16);
  return Buffer.concat([head, data]);
}

/** One request after the other, in their order; what comes after a cut is nobody's any more. */
async function transmit(input: Input, socket: Socket, disk: PowerDisk): Promise<void> {
  for (;;) {
    const head = await input.take(28);
    if (head === undefined || head.readUInt32BE(0) !== REQUEST) return;
    const [flags, type] = [head.readUInt16BE(4), head.readUInt16BE(6)];
    const handle = head.subarray(8, 16);
    const offset = Number(head.readBigUInt64BE(16));
    const length = head.readUInt32BE(24);
    if (type === command.disconnect || length > LENGTH_MAX) return;
    const data = type === command.write ? await input.take(length) : Buffer.alloc(0);
    if (data === undefined || !disk.isOn) return;
    if (type === command.read) {
      socket.write(Buffer.concat([simple(handle, 0), disk.read(offset, length)]));
      continue;
    }
    if (type === command.write && !disk.write(offset, data, (flags & FUA) !== 0)) return;
    if (type === command.flush) disk.flush();
    const isKnown = type === command.write || type === command.flush;
    socket.write(simple(handle, isKnown ? 0 : EINVAL));
  }
}

function simple(handle: Buffer, error: number): Buffer {
  const head = Buffer.alloc(16);
  head.writeUInt32BE(SIMPLE_REPLY);
  head.writeUInt32BE(error, 4);
  head.set(handle, 8);
  return head;
}

/** The bytes of a socket, as many as are asked for. */
class Input {
  #wake: () => void = () => {};

  constructor(private readonly socket: Socket) {
    for (const event of ['readable', 'end', 'close'] as const) {
      socket.on(event, () => this.#wake());
    }
  }

  /** undefined: the socket ended before. */
  async take(length: number): Promise<Buffer | undefined> {
    for (;;) {
      const data = this.socket.read(length) as Buffer | null;
      if (data?.length === length) return data;
      if (data !== null || this.socket.readableEnded || this.socket.destroyed) return undefined;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}
