import { open } from 'node:fs/promises';
import { messageOf } from '../base/errors';
import { deviceId } from '../devices/names';
import type { Events } from '../events/events';
import type { Faults, Strike } from '../faults/faults';
import type { FirmwareStore } from '../firmware/store';
import {
  type BlockRequest,
  blockData,
  blockPayload,
  CODE_BAD_REQUEST,
  CODE_FAILED,
  CODE_OK,
  CODE_UNKNOWN,
  isWithinBounds,
  parseBlockRequest,
  refusalPayload,
} from '../protocol/block-messages';
import type { Connections } from '../protocol/connections';
import { crc16 } from '../protocol/crc';
import { STREAM_FILE_ID } from '../protocol/notice';
import { blockReplyTopic } from '../protocol/topics';
import type { DeviceKey } from '../types/device';
import type { Firmware } from '../types/firmware';
import type { Jobs } from './jobs';
import type { Task } from './task-states';

interface Dependencies {
  readonly jobs: Jobs;
  readonly firmware: FirmwareStore;
  readonly faults: Faults;
  readonly events: Events;
  readonly connections: Connections;
  /** The devices that are logged in through a gateway. */
  readonly carriedBy: (gateway: DeviceKey) => DeviceKey[];
}

type BlockFault = Strike<(typeof BLOCK_FAULTS)[number]>;

/** An answer that waits until `left` later ones were sent. */
interface LateAnswer {
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

/** Answers requests for blocks of an image, each on its own: a device may ask in any order. */
export class Blocks {
  readonly #deps: Dependencies;
  readonly #late = new Map<string, LateAnswer[]>();
  /** The last answer of each device that is being made: they go out in the order of the requests. */
  readonly #turns = new Map<string, Promise<void>>();

  constructor(deps: Dependencies) {
    this.#deps = deps;
  }

  /** Throws a BadMessage when the request cannot be read; any other request is answered. */
  requested(key: DeviceKey, payload: Buffer): void {
    const request = parseBlockRequest(payload);
    const id = deviceId(key);
    const before = this.#turns.get(id) ?? Promise.resolve();
    const turn = before
      .then(() => this.#answer(key, request))
      .catch((error: unknown) => {
        const topic = blockReplyTopic(key);
        this.#deps.events.emit('bad-message', { topic, reason: messageOf(error) });
      })
      .then(() => {
        if (this.#turns.get(id) === turn) this.#turns.delete(id);
      });
    this.#turns.set(id, turn);
  }

  async #answer(key: DeviceKey, request: BlockRequest): Promise<void> {
    const image = this.#imageOf(key, request);
    const faults: BlockFault[] = this.#deps.faults.strike(BLOCK_FAULTS, {
      ...(image !== undefined && { firmwareId: image.id }),
      deviceName: key.deviceName,
    });
    const code = codeOf(request, image, faults);
    const payload =
      code === CODE_OK && image !== undefined
        ? await this.#block(request, image, faults)
        : refusalPayload(request, code);
    this.#deps.events.emit('block-requested', {
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
    const { jobs, firmware, carriedBy } = this.#deps;
    const isRequested = (task: Task): boolean => {
      return task.state !== 'to-be-confirmed' && jobs.job(task.upgradeId).streamId === streamId;
    };
    if (fileId !== STREAM_FILE_ID) return undefined;
    // The vendor's gateways ask by their own names for what is a sub-device's.
    const task =
      jobs.activeOf(key).find(isRequested) ??
      carriedBy(key)
        .flatMap((sub) => jobs.activeOf(sub))
        .find(isRequested);
    return task && firmware.get(jobs.job(task.upgradeId).firmwareId);
  }

  async #block(
    request: BlockRequest,
    image: Firmware,
    faults: readonly BlockFault[],
  ): Promise<Buffer> {
    const { offset, size } = request;
    const block = await read(this.#deps.firmware.path(image.id), offset, size);
    this.#deps.firmware.count(image.id, block.length);
    const data = faults.reduce<object>(patch, blockData(request, image.size));
    const crc = crc16(block);
    if (faults.some(({ kind }) => kind === 'mqtt-block-corrupt')) {
      block.writeUInt8(block.readUInt8(size >> 1) ^ 1, size >> 1);
    }
    return blockPayload(request, data, block, crc);
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

  /** One more answer has been sent: sends the late ones that waited for it as their last. */
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
    this.#deps.connections.send(blockReplyTopic(key), payload, 0);
  }
}

function codeOf(
  request: BlockRequest,
  image: Firmware | undefined,
  faults: readonly BlockFault[],
): number {
  const fault = faults.find((each) => each.kind === 'mqtt-block-error');
  if (fault !== undefined) return fault.code ?? CODE_FAILED;
  if (image === undefined) return CODE_UNKNOWN;
  return isWithinBounds(request, image.size) ? CODE_OK : CODE_BAD_REQUEST;
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
