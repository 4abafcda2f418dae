import {
  CODE_NO_CONFIG,
  configErrorPayload,
  configPushPayload,
  configReplyPayload,
  parseConfigGet,
  parsePushReply,
} from '../../src/protocol/config-messages';

const config = {
  id: 'c1',
  productKey: 'pk',
  size: 3,
  md5: 'm',
  sha256: 's',
  signMethod: 'SHA256',
  createdAt: 0,
} as const;
const right = { configScope: 'product', getType: 'file' };

function payload(message: unknown): Buffer {
  return Buffer.from(typeof message === 'string' ? message : JSON.stringify(message));
}

test('a request is for the file of the product', () => {
  expect(parseConfigGet(payload({ id: '5', params: right }))).toBe('5');
  for (const [params, name] of [
    [{ ...right, configScope: 'device' }, 'configScope'],
    [{ ...right, getType: 'mqtt' }, 'getType'],
  ] as const) {
    expect(() => parseConfigGet(payload({ id: '5', params }))).toThrow(name);
  }
});

test('an answer to a push has id and code, and maybe words, which are cut', () => {
  expect(parsePushReply(payload({ id: 5, code: 200 }))).toEqual({
    id: '5',
    code: 200,
    message: undefined,
  });
  const message = 'x'.repeat(5000);
  expect(parsePushReply(payload({ id: 5, code: 1, message })).message).toHaveLength(1024);
});

test.each([
  ['{', /not JSON/],
  [[], /not an object/],
  [{ code: 200 }, /id must be/],
  [{ id: 1, code: '200' }, /code must be/],
])('an answer %j to a push is refused', (message, reason) => {
  expect(() => parsePushReply(payload(message))).toThrow(reason);
});

test('a configuration is announced alike in an answer and in a push', () => {
  const body = {
    configId: 'c1',
    configSize: 3,
    sign: 's',
    signMethod: 'Sha256',
    url: 'u',
    getType: 'file',
  };
  expect(JSON.parse(configReplyPayload('9', config, 'u'))).toEqual({
    id: '9',
    code: 200,
    data: body,
    message: 'success',
  });
  expect(JSON.parse(configPushPayload('9', config, 'u'))).toEqual({
    id: '9',
    version: '1.0',
    params: body,
    method: 'thing.config.push',
  });
  const md5 = JSON.parse(configPushPayload('9', { ...config, signMethod: 'MD5' }, 'u'));
  expect(md5.params).toMatchObject({ sign: 'm', signMethod: 'Md5' });
});

test('an error has the id that could be read', () => {
  expect(JSON.parse(configErrorPayload(undefined, CODE_NO_CONFIG, 'none'))).toEqual({
    id: '',
    code: 6710,
    message: 'none',
    data: {},
  });
});
