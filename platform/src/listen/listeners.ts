// listen/: ports that listen, what their connections may cost (limits.ts, http-guard.ts), and the
// identities that both sides show (ca.ts, device-ca.ts, authority.ts). Knows no protocol over TCP, TLS
// and HTTP. Imports base, store (private files).

import { createServer as createHttpServer, type RequestListener } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import {
  type AddressInfo,
  createServer as createTcpServer,
  type Server,
  type Socket,
} from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { Clock } from '../base/clock';
import { messageOf, PlatformError } from '../base/errors';
import type { TlsIdentity } from './ca';
import { guardHttp } from './http-guard';
import { type ConnectionLimits, Connections, type TimeLimits } from './limits';

/** A port that listens; `close` also ends its connections. */
export interface Listener {
  readonly port: number;
  close(): Promise<void>;
}

/** Where a listener is, and what its connections may cost. */
export interface Place {
  readonly host: string;
  readonly port: number;
  readonly connections: ConnectionLimits;
  readonly times: TimeLimits;
  readonly clock: Clock;
}

/** Serves a connection; `signedIn` is called when it is no longer just anybody's. */
export type Accept = (socket: Socket, signedIn: () => void) => void;

/** Between two looks of Node.js at heads that take too long. */
const MAX_CHECK_MS = 1_000;

export function listenTcp(place: Place, accept: Accept): Promise<Listener> {
  const connections = new Connections(place.connections);
  const server = createTcpServer(acceptor(connections, accept));
  return listen(server, place, connections);
}

/** `clientCa`: what clients may show certificates of, in PEM; none has to, and none is refused. */
export function listenTls(
  place: Place,
  identity: TlsIdentity,
  clientCa: string,
  accept: Accept,
): Promise<Listener> {
  const connections = new Connections(place.connections);
  const wanted = { requestCert: true, rejectUnauthorized: false, ca: clientCa };
  const options = { ...tlsOptions(identity, place), ...wanted };
  const server = createTlsServer(options, acceptor(connections, accept));
  server.on('tlsClientError', endHandshake);
  return listen(server, place, connections);
}

export function listenHttp(place: Place, handle: RequestListener): Promise<Listener> {
  const connections = new Connections(place.connections);
  const server = createHttpServer(httpOptions(place), handle);
  // Who serves says itself when a body is wanted.
  server.on('checkContinue', (request, response) => server.emit('request', request, response));
  guardHttp(server, connections, place.times, place.clock);
  return listen(server, place, connections);
}

export function listenHttps(
  place: Place,
  identity: TlsIdentity,
  handle: RequestListener,
): Promise<Listener> {
  const connections = new Connections(place.connections);
  const options = { ...tlsOptions(identity, place), ...httpOptions(place) };
  const server = createHttpsServer(options, handle);
  server.on('tlsClientError', endHandshake);
  server.on('checkContinue', (request, response) => server.emit('request', request, response));
  guardHttp(server, connections, place.times, place.clock);
  return listen(server, place, connections);
}

/** A client that fails its handshake, or takes too long, is that client's matter, and goes. */
function endHandshake(_error: Error, socket: Socket): void {
  socket.destroy();
}

function acceptor(connections: Connections, accept: Accept): (socket: Socket) => void {
  return (socket) => accept(socket, () => connections.setBusy(socket, true));
}

/** No limit on a whole request: an upload takes as long as it takes, if it moves. */
function httpOptions({ times: { headMs, idleMs } }: Place) {
  return {
    requestTimeout: 0,
    headersTimeout: headMs,
    keepAliveTimeout: idleMs,
    connectionsCheckingInterval: Math.min(MAX_CHECK_MS, Math.ceil(headMs / 4)),
  };
}

function tlsOptions({ key, cert, ca }: TlsIdentity, { times }: Place) {
  // The CA goes with the certificate, for clients that pin an intermediate.
  return {
    key,
    cert: ca === cert ? cert : `${cert.trimEnd()}\n${ca}`,
    minVersion: 'TLSv1.2' as const,
    handshakeTimeout: times.headMs,
  };
}

async function listen(
  server: Server,
  { host, port }: Place,
  connections: Connections,
): Promise<Listener> {
  server.prependListener('connection', (socket: Socket) => connections.admit(socket));
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
        connections.closeAll();
      }),
  };
}
