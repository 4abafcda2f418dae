// Somebody else's messages: node publisher.mjs <port> <messages> [messages a second]. Connects, says "ready", and
// begins with the first byte of its standard input. Without a rate it writes blocks made beforehand as fast as the
// broker takes them, over two connections, so that it is not what limits. With a rate it writes each millisecond
// what is due, with the time in each message. Ends when the broker has closed the connections, and says what it
// took for each message: microseconds of CPU.
import { once } from 'node:events';
import { connect as dial } from 'node:net';
import {
  BLOCK,
  block,
  connect,
  countFrom,
  disconnect,
  PAYLOAD_AT,
  publish,
  stamp,
} from './packets.mjs';

const [port, count, rate] = process.argv.slice(2).map(Number);
const sockets = await Promise.all(Array.from({ length: rate ? 1 : 2 }, open));
process.stdout.write('ready\n');
await once(process.stdin, 'data');
const before = process.resourceUsage();
const closed = sockets.map((socket) => once(socket, 'close'));
if (rate) tick(sockets[0], performance.now(), 0);
else for (const socket of sockets) pour(socket, count / sockets.length);
await Promise.all(closed);
const since = countFrom(before, process.resourceUsage());
process.stdout.write(
  `${JSON.stringify({ cpu: (since.userCPUTime + since.systemCPUTime) / count })}\n`,
);
process.exit();

async function open(_, index) {
  const socket = dial({ port, host: '127.0.0.1', noDelay: true });
  socket.write(connect(`publisher-${process.pid}-${index}`));
  await once(socket, 'data');
  return socket;
}

function pour(socket, messages) {
  let left = Math.ceil(messages);
  const more = () => {
    for (let hasRoom = true; left > 0 && hasRoom; left -= BLOCK) {
      hasRoom = socket.write(block.subarray(0, Math.min(left, BLOCK) * publish.length));
    }
    if (left <= 0) socket.end(disconnect);
    else socket.once('drain', more);
  };
  more();
}

function tick(socket, began, sent) {
  const due = Math.min(count, Math.floor(((performance.now() - began) * rate) / 1_000));
  if (due > sent) socket.write(Buffer.concat(Array.from({ length: due - sent }, stamped)));
  if (due === count) socket.end(disconnect);
  else setTimeout(tick, 1, socket, began, due);
}

function stamped() {
  const packet = Buffer.from(publish);
  packet.writeDoubleBE(stamp(), PAYLOAD_AT);
  return packet;
}
