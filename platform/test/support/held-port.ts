import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { atEnd } from './clean-up';

/**
 * A port of the loopback interface at which nobody listens until the test does, as often as it
 * likes. A connection elsewhere is bound to it: so it is given to no other process, and to no
 * connection that is being made, and yet connections to it are refused.
 */
export async function heldPort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  // With the address alone, a free port is chosen as it is bound, and not as it is connected.
  const holder = connect({ port, host: '127.0.0.1', localAddress: '127.0.0.1' });
  const taken = once(server, 'connection');
  await once(holder, 'connect');
  const [other] = await taken;
  atEnd(async () => {
    const closed = once(server, 'close');
    server.close();
    other.destroy();
    holder.destroy();
    await closed;
  });
  return (holder.address() as AddressInfo).port;
}
