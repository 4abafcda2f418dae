import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { messageOf, PlatformError } from './errors';
import type { TlsIdentity } from './types';

/** A port that listens; `close` also ends its connections. */
export interface Listener {
  readonly port: number;
  close(): Promise<void>;
}

const HANDSHAKE_TIMEOUT_MS = 10_000;
/** An upload takes as long as it takes; heads are still timed. */
const HTTP = { requestTimeout: 0 } as const;

export function listenTcp(
  host: string,
  port: number,
  accept: (socket: Socket) => void,
): Promise<Listener> {
  return listen(createTcpServer(accept), host, port);
}

export function listenTls(
  host: string,
  port: number,
  identity: TlsIdentity,
  accept: (socket: Socket) => void,
): Promise<Listener> {
  const server = createTlsServer(tlsOptions(identity), accept);
  // A client that fails its handshake is that client's matter.
  server.on('tlsClientError', () => undefined);
  return listen(server, host, port);
}

export function listenHttp(host: string, port: number, handle: RequestListener): Promise<Listener> {
  return listen(createHttpServer(HTTP, handle), host, port);
}

export function listenHttps(
  host: string,
  port: number,
  identity: TlsIdentity,
  handle: RequestListener,
): Promise<Listener> {
  const server = createHttpsServer({ ...tlsOptions(identity), ...HTTP }, handle);
  server.on('tlsClientError', () => undefined);
  return listen(server, host, port);
}

function tlsOptions({ key, cert, ca }: TlsIdentity) {
  // The CA goes with the certificate, for clients that pin an intermediate.
  return {
    key,
    cert: ca === cert ? cert : `${cert.trimEnd()}\n${ca}`,
    minVersion: 'TLSv1.2' as const,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
  };
}

async function listen(server: Server, host: string, port: number): Promise<Listener> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => {
      const text = `cannot listen on ${host} port ${port}: ${messageOf(error)}`;
      reject(new PlatformError('ERR_LISTEN', text, { cause: error }));
    });
    server.listen(port, host, resolve);
  });
  server.on('error', () => undefined);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
