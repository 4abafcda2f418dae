import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A relay between devices and a broker on loopback, which the test cuts. */
export interface Relay extends AsyncDisposable {
  readonly port: number;
  /** Ends the connections that there are, both sides at once. */
  readonly cut: () => void;
  /** The connections that come are not passed on until it is called again with false. */
  readonly refuse: (refused: boolean) => void;
  /**
   * Ends the connection as soon as so many bytes from now have gone the given way; what follows is
   * lost. Resolves then.
   */
  readonly cutAfter: (way: 'up' | 'down', bytes: number) => Promise<void>;
}

interface Pending {
  readonly way: 'up' | 'down';
  left: number;
  readonly done: () => void;
}

/** Relays every connection to a port of 127.0.0.1. */
export async function startRelay(target: number): Promise<Relay> {
  const sockets = new Set<Socket>();
  let refused = false;
  let pending: Pending | undefined;
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  const pass = (way: 'up' | 'down', from: Socket, to: Socket): void => {
    from.on('data', (data) => {
      if (pending?.way !== way) {
        if (!to.write(data)) from.pause();
        return;
      }
      pending.left -= data.length;
      if (pending.left > 0) {
        to.write(data);
        return;
      }
      const { done, left } = pending;
      pending = undefined;
      // What goes is on its way before the end is.
      to.write(data.subarray(0, data.length + left), () => {
        cut();
        done();
      });
    });
    to.on('drain', () => from.resume());
    from.on('error', () => {});
    from.on('close', () => {
      sockets.delete(from);
      to.destroy();
    });
  };
  const server = createServer((client) => {
    if (refused) {
      client.destroy();
      return;
    }
    const broker = connect(target, '127.0.0.1');
    sockets.add(client).add(broker);
    pass('up', client, broker);
    pass('down', broker, client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    cut,
    refuse: (value) => {
      refused = value;
    },
    cutAfter: (way, bytes) =>
      new Promise((resolve) => {
        pending = { way, left: bytes, done: resolve };
      }),
    [Symbol.asyncDispose]: async () => {
      cut();
      await once(server.close(), 'close');
    },
  };
}
