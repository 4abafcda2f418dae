import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { connect } from 'iotkit-ota';

// A broker of a few lines, which sends as fast as the socket takes: no other one keeps a device busy all the time.

const COUNT = 100_000;
const topic = 'flow';

/** Answers what a device needs; whoever subscribes `flow` gets numbers, four bytes each. */
function answer(socket: Socket, type: number, body: Buffer): void {
  if (type === 0x10) socket.write(Buffer.of(0x20, 2, 0, 0));
  if (type === 0x82) {
    socket.write(Buffer.of(0x90, 3, body[0] as number, body[1] as number, 0));
    if (body.subarray(4, -1).toString() === topic) socket.write(numbers());
  }
  if (type === 0xa2) socket.write(Buffer.of(0xb0, 2, body[0] as number, body[1] as number));
  if (type === 0xe0) socket.end();
}

function numbers(): Buffer {
  const head = Buffer.concat([
    Buffer.of(0x30, 2 + topic.length + 4, 0, topic.length),
    Buffer.from(topic),
  ]);
  const size = head.length + 4;
  const all = Buffer.alloc(COUNT * size);
  for (let i = 0; i < COUNT; i += 1) {
    head.copy(all, i * size);
    all.writeUInt32BE(i, i * size + head.length);
  }
  return all;
}

function serve(): Server {
  return createServer((socket) => {
    let rest = Buffer.alloc(0);
    socket.on('data', (data) => {
      rest = Buffer.concat([rest, data]);
      for (;;) {
        let at = 1;
        let length = 0;
        do length += ((rest[at] ?? 0) & 127) << (7 * (at - 1));
        while ((rest[at++] ?? 0) > 127);
        if (rest.length < at + length) return;
        answer(socket, rest[0] as number, rest.subarray(at, at + length));
        rest = rest.subarray(at + length);
      }
    });
  });
}

test('of a flow every message comes, in order: reading is taken up again each time', async () => {
  const server = serve().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const device = await connect({
    productKey: 'a1Flow',
    deviceName: 'sink',
    deviceSecret: 'any',
    url: `mqtt://127.0.0.1:${(server.address() as AddressInfo).port}`,
  });
  let next = 0;
  for await (const { payload } of await device.subscribe(topic)) {
    const number = Buffer.from(payload).readUInt32BE();
    if (number !== next) throw new Error(`${number} came in place of ${next}`);
    next += 1;
    if (next === COUNT) break;
  }
  await device.close();
  await once(server.close(), 'close');
  expect(next).toBe(COUNT);
});
