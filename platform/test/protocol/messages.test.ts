import {
  BadMessage,
  isMessageId,
  isOwnNotice,
  parseEnvelope,
  parseInform,
  parseProgress,
  parsePull,
} from '../../src/protocol/messages';

function payload(message: unknown): Buffer {
  return Buffer.from(typeof message === 'string' ? message : JSON.stringify(message));
}

/** The error that parsing throws. */
function errorOf(parse: (payload: Buffer) => unknown, message: unknown): BadMessage {
  try {
    parse(payload(message));
  } catch (error) {
    return error as BadMessage;
  }
  throw new Error('it was accepted');
}

test.each([
  ['{', /not JSON/, undefined],
  [[], /not an object/, undefined],
  [null, /not an object/, undefined],
  [{ params: {} }, /id must be/, undefined],
  [{ id: '1' }, /params must be an object/, '1'],
  [{ id: '1', params: [] }, /params must be an object/, '1'],
  [{ id: '1', params: '{' }, /params must be an object/, '1'],
  [{ id: '1', params: '[]' }, /params must be an object/, '1'],
])('an envelope %j is refused, with the id if there is one', (message, reason, id) => {
  const error = errorOf(parseEnvelope, message);
  expect(error).toBeInstanceOf(BadMessage);
  expect([error.message, error.id]).toEqual([expect.stringMatching(reason), id]);
});

test.each([
  ['{"id":"1","params":{"a":1,},}', { a: 1 }],
  ['{"id":"1","params":{"a":[1,2, ] , }\n}', { a: [1, 2] }],
  ['{"id":"1","params":{"a":",}\\",]",}}', { a: ',}",]' }],
])('a comma after the last member is passed over: %s', (text, params) => {
  expect(parseEnvelope(payload(text))).toEqual({ id: '1', params });
});

test.each([
  ['{"id":1,"params":"{}"}', {}],
  ['{"id":1,"params":"{\\"module\\":\\"mcu\\",}"}', { module: 'mcu' }],
])('params may be a string of JSON: %s', (text, params) => {
  expect(parseEnvelope(payload(text))).toEqual({ id: 1, params });
});

test.each(['{"id":"1","params":{,}}x', '{"id":"1",,"params":{}}', '[1,]', '{"id":"1"'])(
  'that makes no other text JSON: %s',
  (text) => expect(errorOf(parseEnvelope, text)).toBeInstanceOf(BadMessage),
);

test.each([
  ['0', true],
  [4294967295, true],
  ['4294967295', true],
  ['4294967296', false],
  [4294967296, false],
  [-1, false],
  [1.5, false],
  ['', false],
  ['x', false],
  [undefined, false],
])('%j is an id: %p', (id, expected) => expect(isMessageId(id)).toBe(expected));

test('an inform has a version, and a module unless it is the default one', () => {
  const inform = (params: object) => parseInform(payload({ id: 1, params }));
  expect(inform({ version: '1.0' })).toEqual({ id: 1, version: '1.0', module: undefined });
  expect(inform({ version: '1', module: 'mcu' }).module).toBe('mcu');
  expect(inform({ version: '1', module: 'default' }).module).toBeUndefined();
  expect(inform({ version: '1', module: '' }).module).toBeUndefined();
  expect(errorOf(parseInform, { id: 1, params: {} }).message).toContain('params.version');
  const module = { id: 1, params: { version: '1', module: 'a b' } };
  expect(errorOf(parseInform, module).message).toContain('params.module');
});

test.each([
  ['0', 0],
  [100, 100],
  ['-4', -4],
])('step %j is %d', (step, expected) => {
  const report = parseProgress(payload({ id: '7', params: { step } }));
  expect(report).toEqual({ id: '7', step: expected, desc: '', module: undefined });
});

test.each(['101', '-5', '', '1.5', '01', null])('step %j is refused', (step) => {
  expect(errorOf(parseProgress, { id: 1, params: { step } }).message).toContain('params.step');
});

test('the words of a device are cut', () => {
  const desc = 'x'.repeat(5000);
  expect(parseProgress(payload({ id: 1, params: { step: 1, desc } })).desc).toHaveLength(1024);
  const wrong = { id: 1, params: { step: 1, desc: 5 } };
  expect(errorOf(parseProgress, wrong).message).toContain('params.desc');
});

test('a pull needs no params', () => {
  expect(parsePull(payload({ id: 3 }))).toEqual({ id: 3, module: undefined });
  expect(parsePull(payload({ id: 3, params: { module: 'mcu' } })).module).toBe('mcu');
});

test('an own notice is known by its code and data', () => {
  expect(isOwnNotice(payload({ code: '1000', data: {} }))).toBe(true);
  expect(isOwnNotice(payload({ id: 1, params: {} }))).toBe(false);
  expect(isOwnNotice(payload('{'))).toBe(false);
});
