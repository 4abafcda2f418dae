import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

// Ports for servers that must be told theirs, or come back to it. One that `listen(0)` gave and that is
// closed again may be anybody's next: a test's beside us, or the local end of a connection, even of one
// that is made to this very port. So these are of those that the system gives to nobody, and a UDP
// socket of the same number holds each while this process lives.

/** Below them are those that servers of the machine like. */
const FIRST = 10_000;
/** The lowest that the system gives, where it does not say. */
const USUAL_LIMIT = 32_768;

const { first, count } = range();
let next = process.pid * 61;

/** Ports of the loopback interface, all different, that no other process is given. */
export async function freePorts(wanted: number): Promise<number[]> {
  const ports: number[] = [];
  for (let tries = 0; ports.length < wanted; tries += 1) {
    if (tries > count) throw new Error(`no free port of ${first}-${first + count - 1}`);
    const port = first + (next % count);
    next += 1;
    if ((await hold(port)) && (await isFree(port))) ports.push(port);
  }
  return ports;
}

/** False: somebody holds it. */
async function hold(port: number): Promise<boolean> {
  const socket = createSocket('udp4');
  const isHeld = await succeeds(socket, 'listening', () => {
    socket.bind({ port, address: '127.0.0.1', exclusive: true });
  });
  if (isHeld) socket.unref();
  else socket.close();
  return isHeld;
}

/** Whether no server of the machine has it. */
async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const isOurs = await succeeds(server, 'listening', () => server.listen(port));
  if (isOurs) await once(server.close(), 'close');
  return isOurs;
}

async function succeeds(emitter: NodeJS.EventEmitter, event: string, begin: () => void) {
  const success = once(emitter, event);
  begin();
  return success.then(
    () => true,
    () => false,
  );
}

/** From {@link FIRST} on, up to what the system gives to whoever asks for any. */
function range(): { readonly first: number; readonly count: number } {
  const limit = Math.min(systemsFirst() ?? USUAL_LIMIT, USUAL_LIMIT);
  // A system that gives all of them leaves no better choice.
  return limit - FIRST < 1000
    ? { first: FIRST, count: USUAL_LIMIT - FIRST }
    : { first: FIRST, count: limit - FIRST };
}

function systemsFirst(): number | undefined {
  try {
    return Number.parseInt(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8'), 10);
  } catch {
    return undefined;
  }
}
