import {
  blockData,
  blockPayload,
  isWithinBounds,
  parseBlockRequest,
  refusalPayload,
} from '../../src/protocol/block-messages';
import { crc16 } from '../../src/protocol/crc';

const request = { id: '1', streamId: 7, fileId: 1, offset: 256, size: 512, fileToken: '' };

function parse(params: object): unknown {
  return parseBlockRequest(Buffer.from(JSON.stringify({ id: '1', params })));
}

test('a request names stream, file and block', () => {
  const fileInfo = { streamId: 7, fileId: 1 };
  expect(parse({ fileInfo, fileBlock: { offset: 256, size: 512 } })).toEqual(request);
  const fileBlock = { offset: 256, size: 512 };
  expect(parse({ fileInfo, fileBlock, fileToken: 'default' })).toEqual({
    ...request,
    fileToken: 'default',
  });
  expect(() => parse({ fileInfo })).toThrow('params.fileBlock');
  for (const [fileBlock, name] of [
    [{ offset: -1, size: 512 }, 'fileBlock.offset'],
    [{ offset: 0, size: '512' }, 'fileBlock.size'],
    [{ offset: 0.5, size: 512 }, 'fileBlock.offset'],
  ] as const) {
    expect(() => parse({ fileInfo, fileBlock })).toThrow(name);
  }
});

test.each([
  [0, 256, true],
  [0, 255, false],
  [0, 131_072, true],
  [0, 131_073, false],
  [199_999, 1, true],
  [199_900, 101, false],
  [200_000, 0, false],
])('a block at %d of %d bytes is within an image of 200,000: %p', (offset, size, expected) => {
  expect(isWithinBounds({ ...request, offset, size }, 200_000)).toBe(expected);
});

test('an answer is length, JSON, block and CRC', () => {
  const block = Buffer.from('block');
  const payload = blockPayload(request, blockData(request, 1000), block);
  const length = payload.readUInt16BE(0);
  expect(JSON.parse(payload.toString('utf8', 2, 2 + length))).toEqual({
    id: '1',
    code: 200,
    data: { bSize: 512, bOffset: 256, fileLength: 1000, fileToken: '' },
    message: 'success',
  });
  expect(payload.subarray(2 + length, -2)).toEqual(block);
  expect(payload.readUInt16LE(payload.length - 2)).toBe(crc16(block));
});

test('a refusal is length and JSON', () => {
  const payload = refusalPayload(request, 404);
  expect(payload.readUInt16BE(0)).toBe(payload.length - 2);
  expect(JSON.parse(payload.toString('utf8', 2))).toEqual({
    id: '1',
    code: 404,
    message: 'there is no such stream',
    data: {},
  });
});
