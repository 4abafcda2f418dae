/** How the topic of requests for blocks ends; that of the replies has `_reply` behind it. */
export const FILE_TOPIC = '/thing/file/download';

/** What a device publishes to get a block of its image. */
export interface BlockRequest {
  readonly id: string;
  readonly params: { readonly fileBlock: { readonly size: number; readonly offset: number } };
}

/** The reply to it: JSON behind its length, the block, and its checksum. */
export function blockReply({ id, params }: BlockRequest, image: Buffer): Buffer {
  const { size, offset } = params.fileBlock;
  const block = image.subarray(offset, offset + size);
  const data = { bSize: block.length, bOffset: offset, fileLength: image.length };
  const json = Buffer.from(JSON.stringify({ id, code: 200, data }));
  const reply = Buffer.alloc(2 + json.length + block.length + 2);
  reply.writeUInt16BE(json.length, 0);
  json.copy(reply, 2);
  block.copy(reply, 2 + json.length);
  reply.writeUInt16LE(crc16(block), reply.length - 2);
  return reply;
}

/** CRC-16/ARC. */
function crc16(bytes: Buffer): number {
  let crc = 0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xa001 : crc >>> 1;
  }
  return crc;
}
