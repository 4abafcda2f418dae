import { once } from 'node:events';
import { connect } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { ManualClock } from '../../src/base/clock';
import { localIdentity } from '../../src/listen/ca';
import { listenHttp, listenTcp, listenTls, type Place } from '../../src/listen/listeners';
import { atEnd } from '../support/clean-up';
import { temporaryFolder } from '../support/start';

const HOST = '127.0.0.1';

function place(port = 0): Place {
  return {
    host: HOST,
    port,
    connections: { total: 10, perAddress: 10 },
    times: { headMs: 10_000, idleMs: 10_000, minUploadBytesPerSecond: 1 },
    clock: new ManualClock(),
  };
}

test('closing ends the connections', async () => {
  const listener = await listenTcp(place(), () => undefined);
  const socket = connect(listener.port, HOST);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.resume();
  const closed = once(socket, 'close');
  await listener.close();
  await closed;
});

test('a port in use is an error that names it', async () => {
  const first = await listenTcp(place(), () => undefined);
  atEnd(() => first.close());
  await expect(listenHttp(place(first.port), () => undefined)).rejects.toMatchObject({
    code: 'ERR_LISTEN',
    message: expect.stringContaining(`${HOST} port ${first.port}`),
  });
});

test('a failed handshake leaves the listener well', async () => {
  const identity = await localIdentity(await temporaryFolder(), ['localhost', HOST]);
  const listener = await listenTls(place(), identity, identity.ca, (socket) => socket.end('hello'));
  atEnd(() => listener.close());
  const stranger = connect(listener.port, HOST);
  stranger.on('error', () => undefined);
  stranger.resume();
  stranger.end('this is not TLS');
  await once(stranger, 'close');
  const socket = connectTls({ host: HOST, port: listener.port, ca: identity.ca });
  const [data] = await once(socket, 'data');
  expect(String(data)).toBe('hello');
  socket.destroy();
});
