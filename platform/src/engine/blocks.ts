import { open } from 'node:fs/promises';
import type { Broker } from '../broker/broker';
import { messageOf } from '../errors';
import type { Events } from '../events';
import type { Faults, Strike } from '../faults';
import type { FirmwareStore } from '../firmware/store';
import { deviceId } from '../names';
import type { DeviceKey, Firmware } from '../types';
import { crc16 } from './crc';
import type { Jobs, Task } from './jobs';
import { BadMessage, isObject, parseEnvelope } from './messages';
import { STREAM_FILE_ID } from './notice';
import { blockReplyTopic } from './topics';

interface Parts {
  readonly jobs: Jobs;
  readonly firmware: FirmwareStore;
  readonly faults: Faults;
  readonly events: Events;
  readonly broker: () => Broker | undefined;
}

/** A request for a block. */
interface BlockRequest {
  readonly id: string | number;
  readonly streamId: number;
  readonly fileId: number;
  readonly offset: number;
  readonly size: number;
}

type BlockFault = Strike<(typeof BLOCK_FAULTS)[number]>;

/** An answer that waits for later ones to go first. */
interface Late {
  readonly payload: Buffer;
  left: number;
}

const BLOCK_FAULTS = [
  'mqtt-block-lost',
  'mqtt-block-duplicate',
  'mqtt-block-corrupt',
  'mqtt-block-error',
  'mqtt-block-late',
  'mqtt-block-patch',
] as const;

const CODE_OK = 200;
const CODE_BAD_REQUEST = 400;
const CODE_UNKNOWN = 404;
const CODE_FAILED = 500;
/** The platform's bounds of a block; the end of an image may be shorter. */
const MIN_BLOCK_BYTES = 256;
const MAX_BLOCK_BYTES = 128 * 1024;

/** Answers requests for blocks of an image, each on its own: a device may ask in any order. */
export class Blocks {
  readonly #parts: Parts;
  readonly #late = new Map<string, Late[]>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Throws a {@link BadMessage} when it cannot be read; what can be is answered. */
  asked(key: DeviceKey, payload: Buffer): void {
    const request = parseRequest(payload);
    this.#answer(key, request).catch((error: unknown) => {
      const topic = blockReplyTopic(key);
      this.#parts.events.emit('bad-message', { topic, reason: messageOf(error) });
    });
  }

  async #answer(key: DeviceKey, request: BlockRequest): Promise<void> {
    const image = this.#imageOf(key, request);
    const faults: BlockFault[] = this.#parts.faults.strike(BLOCK_FAULTS, {
      ...(image !== undefined && { firmwareId: image.id }),
      deviceName: key.deviceName,
    });
    const code = codeOf(request, image, faults);
    const payload =
      code === CODE_OK && image !== undefined
        ? await this.#block(request, image, faults)
        : refusal(request, code);
    this.#parts.events.emit('block-requested', {
      ...key,
      ...(image !== undefined && { firmwareId: image.id }),
      offset: request.offset,
      size: request.size,
      code,
      ...(faults[0] !== undefined && { faultId: faults[0].id }),
    });
    this.#deliver(key, payload, faults);
  }

  /** The image of the stream, if an upgrade of the device is under way with it. */
  #imageOf(key: DeviceKey, { streamId, fileId }: BlockRequest): Firmware | undefined {
    const { jobs, firmware } = this.#parts;
    const isAsked = (task: Task): boolean => {
      const isUnderWay = task.state === 'pushed' || task.state === 'upgrading';
      return isUnderWay && jobs.job(task.upgradeId).streamId === streamId;
    };
    const task = fileId === STREAM_FILE_ID ? jobs.activeOf(key).find(isAsked) : undefined;
    return task && firmware.get(jobs.job(task.upgradeId).firmwareId);
  }

  async #block(
    { id, offset, size }: BlockRequest,
    image: Firmware,
    faults: readonly BlockFault[],
  ): Promise<Buffer> {
    const block = await read(this.#parts.firmware.path(image.id), offset, size);
    this.#parts.firmware.count(image.id, block.length);
    const right = { bSize: size, bOffset: offset, fileLength: image.size, fileToken: '' };
    const data = faults.reduce<object>(patch, right);
    const crc = crc16(block);
    if (faults.some(({ kind }) => kind === 'mqtt-block-corrupt')) {
      block.writeUInt8(block.readUInt8(size >> 1) ^ 1, size >> 1);
    }
    return frame({ id: String(id), code: CODE_OK, data }, block, crc);
  }

  #deliver(key: DeviceKey, payload: Buffer, faults: readonly BlockFault[]): void {
    const has = (kind: BlockFault['kind']): boolean => faults.some((each) => each.kind === kind);
    if (has('mqtt-block-lost')) return;
    const late = faults.find((each) => each.kind === 'mqtt-block-late');
    if (late !== undefined) {
      const waiting = this.#late.get(deviceId(key)) ?? [];
      this.#late.set(deviceId(key), [...waiting, { payload, left: late.blocks ?? 1 }]);
      return;
    }
    this.#send(key, payload);
    if (has('mqtt-block-duplicate')) this.#send(key, payload);
    this.#sendLate(key);
  }

  /** One more answer has been sent: whose turn it is follows. */
  #sendLate(key: DeviceKey): void {
    const waiting = this.#late.get(deviceId(key));
    if (waiting === undefined) return;
    for (const late of waiting) late.left -= 1;
    const left = waiting.filter((late) => late.left > 0);
    if (left.length > 0) this.#late.set(deviceId(key), left);
    else this.#late.delete(deviceId(key));
    for (const late of waiting) if (late.left === 0) this.#send(key, late.payload);
  }

  #send(key: DeviceKey, payload: Buffer): void {
    const topic = blockReplyTopic(key);
    const sending = this.#parts.broker()?.publish(topic, payload, 0);
    sending?.catch((error: unknown) => {
      const reason = `not sent: ${messageOf(error)}`;
      this.#parts.events.emit('bad-message', { topic, reason });
    });
  }
}

function parseRequest(payload: Buffer): BlockRequest {
  const { id, params } = parseEnvelope(payload);
  const { fileInfo, fileBlock } = params;
  if (!isObject(fileInfo) || !isObject(fileBlock)) {
    throw new BadMessage('params.fileInfo and params.fileBlock must be objects', id);
  }
  const whole = (name: string, value: unknown): number => {
    if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
    throw new BadMessage(`${name} must be a whole number`, id);
  };
  return {
    id,
    streamId: whole('fileInfo.streamId', fileInfo.streamId),
    fileId: whole('fileInfo.fileId', fileInfo.fileId),
    offset: whole('fileBlock.offset', fileBlock.offset),
    size: whole('fileBlock.size', fileBlock.size),
  };
}

function codeOf(
  { offset, size }: BlockRequest,
  image: Firmware | undefined,
  faults: readonly BlockFault[],
): number {
  const fault = faults.find((each) => each.kind === 'mqtt-block-error');
  if (fault !== undefined) return fault.code ?? CODE_FAILED;
  if (image === undefined) return CODE_UNKNOWN;
  const isEnd = offset + size === image.size;
  const isWithin = size > 0 && size <= MAX_BLOCK_BYTES && offset + size <= image.size;
  return isWithin && (size >= MIN_BLOCK_BYTES || isEnd) ? CODE_OK : CODE_BAD_REQUEST;
}

function refusal({ id }: BlockRequest, code: number): Buffer {
  const reasons: Readonly<Record<number, string>> = {
    [CODE_BAD_REQUEST]: 'the block is not within the file or the limits',
    [CODE_UNKNOWN]: 'there is no such stream',
  };
  const message = reasons[code] ?? 'the platform was asked to fail';
  return frame({ id: String(id), code, message, data: {} });
}

/** Length and text of the JSON, the block, its CRC. */
function frame(json: object, block?: Buffer, crc = 0): Buffer {
  const text = Buffer.from(JSON.stringify(json));
  const front = Buffer.alloc(2);
  front.writeUInt16BE(text.length);
  if (block === undefined) return Buffer.concat([front, text]);
  const back = Buffer.alloc(2);
  back.writeUInt16LE(crc);
  return Buffer.concat([front, text, block, back]);
}

function patch(data: object, fault: BlockFault): object {
  if (fault.kind !== 'mqtt-block-patch') return data;
  const members = Object.entries({ ...data, ...fault.data });
  return Object.fromEntries(members.filter(([, value]) => value !== null));
}

async function read(path: string, offset: number, size: number): Promise<Buffer> {
  const file = await open(path);
  try {
    const block = Buffer.allocUnsafe(size);
    const { bytesRead } = await file.read(block, 0, size, offset);
    if (bytesRead < size) throw new Error('the firmware file has shrunk');
    return block;
  } finally {
    await file.close();
  }
}
