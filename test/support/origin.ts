import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

/** One answer of an {@link Origin} while it is being sent. */
export interface Sending {
  /** Bytes of the body that the system has taken over from this process. */
  readonly taken: () => number;
  /** Resolves when the connection has ended. */
  readonly closed: Promise<void>;
}

/** An HTTP server of the test's own: where the test must see how much the client lets it send. */
export interface Origin {
  readonly url: string;
  /** The next request whose answer begins. */
  readonly next: () => Promise<Sending>;
  readonly close: () => Promise<void>;
}

const WRITE_BYTES = 64 * 1024;

/**
 * Serves `image` at every path, writing on only when the system has taken what was written before.
 */
export async function startOrigin(image: Buffer): Promise<Origin> {
  const begun: Sending[] = [];
  const waiting: Array<(sending: Sending) => void> = [];
  const server = http.createServer((_request, response) => {
    const sending = send(response, image);
    const receiver = waiting.shift();
    if (receiver) receiver(sending);
    else begun.push(sending);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    next: () => {
      const first = begun.shift();
      return first ? Promise.resolve(first) : new Promise((resolve) => waiting.push(resolve));
    },
    close: async () => {
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
}

function send(response: http.ServerResponse, image: Buffer): Sending {
  response.writeHead(200, { 'content-length': image.length });
  let taken = 0;
  let at = 0;
  // The callback of a write comes when the system has its bytes: one write at a time counts them
  // exactly.
  const writeOn = (): void => {
    if (response.destroyed) return;
    if (at === image.length) {
      response.end();
      return;
    }
    const slice = image.subarray(at, at + WRITE_BYTES);
    at += slice.length;
    response.write(slice, (error) => {
      if (error) return;
      taken += slice.length;
      writeOn();
    });
  };
  writeOn();
  return {
    taken: () => taken,
    closed: new Promise((resolve) => response.once('close', () => resolve())),
  };
}
