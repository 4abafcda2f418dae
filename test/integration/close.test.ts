import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { connect } from 'iotkit-ota';

const PACKET_MS = 20;
const name = (first: number): number => first >> 4;

/** The first packet of these bytes and what follows it; undefined: it is not whole yet. */
function split(bytes: Buffer): { first: number; body: Buffer; rest: Buffer } | undefined {
  let length = 0;
  let at = 1;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    if (byte === undefined) return undefined;
    length |= (byte & 127) << shift;
    if (byte < 128) break;
  }
  if (bytes.length < at + length) return undefined;
  const body = bytes.subarray(at, at + length);
  return { first: bytes[0] as number, body, rest: bytes.subarray(at + length) };
}

function answer(socket: Socket, first: number, body: Buffer): void {
  const [high = 0, low = 0] = body;
  if (name(first) === 1) socket.write(Buffer.from([0x20, 2, 0, 0]));
  if (name(first) === 8) socket.write(Buffer.from([0x90, 3, high, low, 1]));
  if (name(first) !== 3 || (first & 2) === 0) return;
  const id = 2 + body.readUInt16BE(0);
  socket.write(Buffer.from([0x40, 2, body[id] as number, body[id + 1] as number]));
}

/** A broker that takes its time for each packet, and notes which ones came. */
function slowBroker(packets: number[]): Server {
  const server = createServer({ allowHalfOpen: true }, async (socket) => {
    let bytes = Buffer.alloc(0);
    for await (const chunk of socket) {
      bytes = Buffer.concat([bytes, chunk as Buffer]);
      for (let packet = split(bytes); packet !== undefined; packet = split(bytes)) {
        await setTimeout(PACKET_MS);
        packets.push(name(packet.first));
        answer(socket, packet.first, packet.body);
        bytes = packet.rest as Buffer<ArrayBuffer>;
      }
    }
    socket.end();
    server.emit('served');
  });
  return server;
}

test('a slow broker gets all that was published before close(), and DISCONNECT', async () => {
  const packets: number[] = [];
  const server = slowBroker(packets).listen(0, '127.0.0.1');
  const served = once(server, 'served');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const identity = { productKey: 'pk', deviceName: 'dn', deviceSecret: 'secret' };
  const device = await connect({ ...identity, url: `mqtt://127.0.0.1:${port}` });
  const reports = Array.from({ length: 6 }, (_, i) => device.ota.reportVersion(`1.0.${i}`));
  await Promise.all([device.close(), Promise.allSettled(reports)]);
  await served;
  expect(packets.filter((packet) => packet === 3)).toHaveLength(6);
  expect(packets.at(-1)).toBe(14);
  server.close();
});
