// Tested by platform/test/silent.test.ts

import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { Server as SecureServer } from 'node:https';
import type { Socket } from 'node:net';
import type { Clock, Timer } from '../base/clock';
import type { Connections, TimeLimits } from './limits';

/** How often the speed of an upload is looked at. */
const WINDOW_MS = 10_000;

/** What a connection is doing. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
}

/**
 * Ends connections of an HTTP server on which nothing happens. The heads of requests have a time-out
 * of the server's own; here are bodies that come too slowly, and answers that nobody takes. A request
 * that is complete and not answered yet is the server's own matter and waits.
 */
export function guardHttp(
  server: Server | SecureServer,
  connections: Connections,
  limits: TimeLimits,
  clock: Clock,
): void {
  const exchanges = new WeakMap<Socket, Exchange>();
  server.prependListener('request', (request: IncomingMessage, response: ServerResponse) => {
    const { socket } = request;
    exchanges.set(socket, { request, response });
    connections.setBusy(socket, true);
    const pace = request.complete ? undefined : watchPace(request, limits, clock);
    response.once('close', () => {
      pace?.cancel();
      connections.setBusy(socket, false);
      exchanges.delete(socket);
    });
  });
  server.setTimeout(limits.idleMs, (socket: Socket) => {
    const exchange = exchanges.get(socket);
    const isOurTurn = exchange?.request.complete && !exchange.response.headersSent;
    if (!isOurTurn) socket.destroy();
  });
}

/** Ends a request whose body comes more slowly than it may. */
function watchPace(
  request: IncomingMessage,
  { minUploadBytesPerSecond }: TimeLimits,
  clock: Clock,
): Timer {
  const wanted = (minUploadBytesPerSecond * WINDOW_MS) / 1000;
  let before = request.socket.bytesRead;
  let timer: Timer;
  const arm = (): void => {
    timer = clock.at(clock.now() + WINDOW_MS, look);
  };
  const look = (): void => {
    const { bytesRead } = request.socket;
    if (request.complete) return;
    if (bytesRead - before < wanted) request.socket.destroy();
    else arm();
    before = bytesRead;
  };
  arm();
  return { cancel: () => timer.cancel() };
}
