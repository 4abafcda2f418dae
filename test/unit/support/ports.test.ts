import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { freePorts } from '../../support/ports';

test('ports are different, and a server can take each, leave it and come back', async () => {
  const ports = [...(await freePorts(20)), ...(await freePorts(20))];
  expect(new Set(ports).size).toBe(40);
  for (const port of [...ports, ...ports]) {
    const server = createServer().listen(port, '127.0.0.1');
    await once(server, 'listening');
    await once(server.close(), 'close');
  }
});

test('the system gives none of them to whoever asks for any', async () => {
  const ports = new Set(await freePorts(5));
  for (let i = 0; i < 200; i += 1) {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    expect(ports.has(port)).toBe(false);
    const client = connect(port, '127.0.0.1');
    await once(client, 'connect');
    expect(ports.has(client.localPort as number)).toBe(false);
    client.destroy();
    await once(server.close(), 'close');
  }
});

test('they are held against the next process that asks', async () => {
  const [port = 0] = await freePorts(1);
  const socket = createSocket('udp4');
  const failed = once(socket, 'error');
  socket.bind({ port, address: '127.0.0.1', exclusive: true });
  expect(await failed).toMatchObject([{ code: 'EADDRINUSE' }]);
});
