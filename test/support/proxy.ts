import { once } from 'node:events';
import http from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

/** What a proxy was asked. */
export interface ProxyRequest {
  /** `CONNECT host:port` or `GET http://…`. */
  readonly line: string;
  /** The value of Proxy-Authorization, and other fields by their names in lower case. */
  readonly headers: Readonly<http.IncomingHttpHeaders>;
}

export interface Proxy extends AsyncDisposable {
  readonly port: number;
  readonly requests: readonly ProxyRequest[];
}

/** An HTTP proxy on loopback: tunnels for https, forwards plain http. */
export async function startProxy(): Promise<Proxy> {
  const requests: ProxyRequest[] = [];
  const tunnels = new Set<Socket>();
  const note = ({ method, url, headers }: http.IncomingMessage): void => {
    requests.push({ line: `${method} ${url}`, headers });
  };
  const server = http.createServer((request, response) => {
    note(request);
    forward(request, response);
  });
  server.on('connect', (request, client: Socket) => {
    note(request);
    tunnels.add(client).add(tunnel(request.url ?? '', client));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    [Symbol.asyncDispose]: async () => {
      for (const socket of tunnels) socket.destroy();
      server.closeAllConnections();
      await once(server.close(), 'close');
    },
  };
}

function tunnel(authority: string, client: Socket): Socket {
  const { hostname, port } = new URL(`http://${authority}`);
  const upstream = connect(Number(port), hostname, () => {
    client.write('HTTP/1.1 200 Connection established\r\n\r\n');
    upstream.pipe(client).pipe(upstream);
  });
  // Either side ends as it likes; the other one follows.
  for (const [socket, peer] of [
    [client, upstream],
    [upstream, client],
  ] as const) {
    socket.on('error', () => peer.destroy());
    socket.on('close', () => peer.destroy());
  }
  return upstream;
}

function forward(request: http.IncomingMessage, response: http.ServerResponse): void {
  const { 'proxy-authorization': _, ...headers } = request.headers;
  const upstream = http.request(new URL(request.url ?? ''), { headers, agent: false });
  upstream.on('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
    answer.pipe(response);
  });
  upstream.on('error', () => response.destroy());
  response.on('close', () => upstream.destroy());
  upstream.end();
}
