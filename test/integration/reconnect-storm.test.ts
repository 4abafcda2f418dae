// Many devices of one process whose broker takes each sign-in and then ends the connection.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { type Device, open } from 'iotkit-ota';

const DEVICES = 300;
const PER_MINUTE = 5;

/** Counts the CONNECTs of each device; `all` resolves when each has signed in as often as it may in a minute. */
async function startBroker() {
  const connects = new Map<string, number>();
  const sockets = new Set<Socket>();
  let onAll: () => void = () => {};
  const all = new Promise<void>((resolve) => {
    onAll = resolve;
  });
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.once('data', (packet) => {
      const [name = ''] = /device-\d+/.exec(packet.toString('latin1')) ?? [];
      connects.set(name, (connects.get(name) ?? 0) + 1);
      socket.destroy();
      if (connects.size === DEVICES && [...connects.values()].every((n) => n >= PER_MINUTE))
        onAll();
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const close = async (): Promise<void> => {
    for (const socket of sockets) socket.destroy();
    server.close();
    await once(server, 'close');
  };
  return { port, connects, all, close };
}

test('no device signs in more often within a minute than the platform takes', async () => {
  const broker = await startBroker();
  const devices = Array.from(
    { length: DEVICES },
    (_, index): Device =>
      open({
        productKey: 'a1Product',
        deviceName: `device-${index}`,
        deviceSecret: 'any',
        url: `mqtt://127.0.0.1:${broker.port}`,
        reconnect: { min: 1, max: 5, perMinute: PER_MINUTE },
      }),
  );
  await broker.all;
  // The back-off of a few milliseconds is over many times; each waits for the rest of its minute.
  for (const device of devices) {
    for await (const { state } of device.states()) if (state === 'waiting') break;
  }
  await Promise.all(devices.map((device) => device.close()));
  await broker.close();
  expect(new Set(broker.connects.values())).toEqual(new Set([PER_MINUTE]));
});
