import { connect } from 'node:net';
import type { Device, Platform } from '../../src/index';
import { signIn } from '../../src/index';
import { atEnd } from './clean-up';

/** A connection over plain TCP of which every byte is seen. */
export interface RawDevice {
  /** What the platform sent so far. */
  readonly received: () => Buffer;
  /** Resolves when it is closed. */
  readonly closed: Promise<void>;
}

/** Signs a device in (MQTT 3.1.1, clean session, 1200 s); resolves with the first answer. */
export async function rawDevice(platform: Platform, device: Device): Promise<RawDevice> {
  const socket = connect(platform.ports.mqtt ?? 0, '127.0.0.1');
  atEnd(() => socket.destroy());
  socket.on('error', () => undefined);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  const answered = new Promise<void>((resolve) => socket.once('data', () => resolve()));
  socket.write(connectPacket(device));
  await answered;
  return { received: () => Buffer.concat(chunks), closed };
}

function connectPacket(device: Device): Buffer {
  const { clientId, username, password } = signIn(device, { secureMode: 3 });
  const field = (text: string): Buffer => {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(Buffer.byteLength(text));
    return Buffer.concat([length, Buffer.from(text)]);
  };
  const body = Buffer.concat([
    field('MQTT'),
    Buffer.from([4, 0xc2, 1200 >> 8, 1200 & 0xff]),
    ...[clientId, username, password].map(field),
  ]);
  const length = [(body.length & 0x7f) | 0x80, body.length >> 7];
  return Buffer.concat([Buffer.from([0x10, ...length]), body]);
}
