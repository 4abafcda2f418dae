// A peer that takes next to nothing: node bare.mjs <messages>. Throws away what is published; who subscribes gets
// so many messages, in blocks made beforehand. Says its port.
import { once } from 'node:events';
import { createServer } from 'node:net';
import { topic } from './clients.mjs';
import { BLOCK, block, publish } from './packets.mjs';

const count = Number(process.argv[2]);
const server = createServer((socket) => {
  socket.on('error', () => {});
  let rest = Buffer.alloc(0);
  socket.on('data', (data) => {
    rest = answerPackets(socket, rest.length > 0 ? Buffer.concat([rest, data]) : data);
  });
}).listen(0, '127.0.0.1');
await once(server, 'listening');
process.stdout.write(String(server.address().port));

/** The bytes of a packet that is not whole. */
function answerPackets(socket, data) {
  let at = 0;
  for (;;) {
    let length = 0;
    let body = at + 1;
    for (let shift = 0; ; shift += 7, body += 1) {
      if (body >= data.length) return data.subarray(at);
      length += (data[body] & 127) << shift;
      if (data[body] < 128) break;
    }
    body += 1;
    if (body + length > data.length) return data.subarray(at);
    const first = data[at];
    if (first !== 0x30) answerPacket(socket, first, data.subarray(body, body + length));
    at = body + length;
  }
}

function answerPacket(socket, first, body) {
  if (first === 0x10) {
    socket.write(Buffer.of(0x20, 2, 0, 0));
  } else if (first === 0x32) {
    const id = 2 + body.readUInt16BE();
    socket.write(Buffer.of(0x40, 2, body[id], body[id + 1]));
  } else if (first === 0x82) {
    socket.write(Buffer.of(0x90, 3, body[0], body[1], 0));
    if (body.subarray(4, 4 + topic.length).equals(Buffer.from(topic))) pour(socket);
  } else if (first === 0xa2) {
    socket.write(Buffer.of(0xb0, 2, body[0], body[1]));
  } else if (first === 0xe0) {
    socket.end();
  }
}

function pour(socket) {
  let left = count;
  const pourMore = () => {
    for (let hasRoom = true; left > 0 && hasRoom; left -= BLOCK) {
      hasRoom = socket.write(block.subarray(0, Math.min(left, BLOCK) * publish.length));
    }
  };
  socket.on('drain', pourMore);
  pourMore();
}
