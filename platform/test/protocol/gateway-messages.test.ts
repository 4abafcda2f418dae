import {
  parseClaims,
  parseDevices,
  parseGatewayRequest,
  parseProductClaims,
} from '../../src/protocol/gateway-messages';
import type { BadMessage } from '../../src/protocol/messages';

const names = { productKey: 'pk', deviceName: 'dn' };
const proof = { ...names, clientId: 'c', sign: 's', signMethod: 'hmacSha1' };

function request(params: unknown, extra: object = {}) {
  return parseGatewayRequest(Buffer.from(JSON.stringify({ id: '1', params, ...extra })));
}

test.each([
  [{}, true],
  [{ sys: {} }, true],
  [{ sys: { ack: 1 } }, true],
  [{ sys: { ack: 0 } }, false],
  [{ sys: { ack: '0' } }, false],
])('a request with %j wants an answer: %p', (extra, wantsReply) => {
  expect(request({}, extra)).toEqual({ id: '1', params: {}, wantsReply });
});

test('params may be missing, or a text', () => {
  expect(request(undefined).params).toEqual({});
  expect(request('[1]').params).toEqual([1]);
});

test('a claim is read in each spelling', () => {
  const read = { ...proof, timestamp: undefined };
  const { signMethod: method, ...rest } = proof;
  expect(parseClaims(request(proof), 1)).toEqual([read]);
  expect(parseClaims(request([{ ...rest, signmethod: method }]), 1)).toEqual([read]);
  expect(parseClaims(request({ deviceList: [rest], signMethod: method }), 1)).toEqual([read]);
  expect(parseClaims(request({ ...proof, timestamp: 7 }), 1)).toEqual([
    { ...read, timestamp: '7' },
  ]);
});

test.each([
  ['no device', () => parseDevices(request([]), 2), /1-2 devices/],
  ['too many', () => parseDevices(request([names, names, names]), 2), /1-2 devices/],
  ['no object', () => parseDevices(request([1]), 2), /must be an object/],
  ['no product', () => parseDevices(request([{ deviceName: 'dn' }]), 2), /productKey/],
  ['no name', () => parseDevices(request([{ ...names, deviceName: 1 }]), 2), /deviceName/],
  ['no client id', () => parseClaims(request([{ ...proof, clientId: 1 }]), 2), /clientId/],
  ['no signature', () => parseClaims(request([{ ...proof, sign: '' }]), 2), /sign of/],
  ['no method', () => parseClaims(request([{ ...proof, signMethod: '' }]), 2), /signMethod/],
  ['no list', () => parseProductClaims(request({}), 2), /must be an object/],
])('%s is refused, with the id of the request', (_, parse, reason) => {
  expect(parse).toThrow(reason);
  try {
    parse();
  } catch (error) {
    expect((error as BadMessage).id).toBe('1');
  }
});
