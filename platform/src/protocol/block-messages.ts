import { crc16 } from './crc';
import { BadMessage, isObject, parseEnvelope } from './messages';

/** A device's request for a block of an image. */
export interface BlockRequest {
  readonly id: string | number;
  readonly streamId: number;
  readonly fileId: number;
  readonly offset: number;
  readonly size: number;
  /** The device's own; the answer repeats it. */
  readonly fileToken: string;
}

export const CODE_OK = 200;
export const CODE_BAD_REQUEST = 400;
export const CODE_UNKNOWN = 404;
export const CODE_FAILED = 500;

/** The platform's bounds of a block; the end of an image may be shorter. */
const MIN_BLOCK_BYTES = 256;
const MAX_BLOCK_BYTES = 128 * 1024;
/** Characters of a token that are repeated: the vendor's SDK keeps as many. */
const MAX_TOKEN = 128;

const REASONS: Readonly<Record<number, string>> = {
  [CODE_BAD_REQUEST]: 'the block is not within the file or the limits',
  [CODE_UNKNOWN]: 'there is no such stream',
};

/** Throws a {@link BadMessage} when it cannot be read. */
export function parseBlockRequest(payload: Buffer): BlockRequest {
  const { id, params } = parseEnvelope(payload);
  const { fileInfo, fileBlock } = params;
  if (!isObject(fileInfo) || !isObject(fileBlock)) {
    throw new BadMessage('params.fileInfo and params.fileBlock must be objects', id);
  }
  const wholeNumber = (name: string, value: unknown): number => {
    if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
    throw new BadMessage(`${name} must be a whole number`, id);
  };
  return {
    id,
    streamId: wholeNumber('fileInfo.streamId', fileInfo.streamId),
    fileId: wholeNumber('fileInfo.fileId', fileInfo.fileId),
    offset: wholeNumber('fileBlock.offset', fileBlock.offset),
    size: wholeNumber('fileBlock.size', fileBlock.size),
    fileToken: typeof params.fileToken === 'string' ? params.fileToken.slice(0, MAX_TOKEN) : '',
  };
}

/** Whether an image of `imageSize` bytes has such a block to give. */
export function isWithinBounds({ offset, size }: BlockRequest, imageSize: number): boolean {
  const end = offset + size;
  if (size === 0 || size > MAX_BLOCK_BYTES || end > imageSize) return false;
  return size >= MIN_BLOCK_BYTES || end === imageSize;
}

/** What the answer says about its block. */
export function blockData({ offset, size, fileToken }: BlockRequest, imageSize: number): object {
  return { bSize: size, bOffset: offset, fileLength: imageSize, fileToken };
}

/** The answer with a block. A fault gives another block than the one its CRC was computed of. */
export function blockPayload(
  { id }: BlockRequest,
  data: object,
  block: Buffer,
  crc = crc16(block),
): Buffer {
  return frame({ id: String(id), code: CODE_OK, data, message: 'success' }, block, crc);
}

export function refusalPayload({ id }: BlockRequest, code: number): Buffer {
  const message = REASONS[code] ?? 'the platform was asked to fail';
  return frame({ id: String(id), code, message, data: {} });
}

/** Length and text of the JSON; then, where there is one, the block and its CRC. */
function frame(json: object, block?: Buffer, crc = 0): Buffer {
  const text = Buffer.from(JSON.stringify(json));
  const front = Buffer.alloc(2);
  front.writeUInt16BE(text.length);
  if (block === undefined) return Buffer.concat([front, text]);
  const back = Buffer.alloc(2);
  back.writeUInt16LE(crc);
  return Buffer.concat([front, text, block, back]);
}
