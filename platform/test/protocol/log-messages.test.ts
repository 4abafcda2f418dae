import {
  BadLogMessage,
  logConfigPushPayload,
  logConfigReplyPayload,
  logErrorPayload,
  parseLogConfigGet,
  parseLogPost,
  parseLogTime,
} from '../../src/protocol/log-messages';

const entry = {
  utcTime: '2026-11-29T12:00:00.000+0000',
  logLevel: 'ERROR',
  module: 'agent',
  code: '-1',
  logContent: 'no space',
};

function payload(message: unknown): Buffer {
  return Buffer.from(typeof message === 'string' ? message : JSON.stringify(message));
}

function refusal(parse: (payload: Buffer) => unknown, message: unknown): BadLogMessage {
  try {
    parse(payload(message));
  } catch (error) {
    if (error instanceof BadLogMessage) return error;
    throw error;
  }
  throw new Error('it was taken');
}

test('a post has entries, whose short members are cut', () => {
  const long = { ...entry, module: 'm'.repeat(300), code: 7, traceContext: 't' };
  const post = parseLogPost(payload({ id: 123, version: '1.0', params: [entry, long] }));
  expect(post.id).toBe(123);
  expect(post.entries).toEqual([
    entry,
    { ...entry, module: 'm'.repeat(256), code: '7', traceContext: 't' },
  ]);
});

test.each([
  [[], 'not an object', undefined],
  [{ params: [entry] }, 'id must be', undefined],
  [{ id: 1 }, 'params must be an array', 1],
  [{ id: 1, params: [] }, '1-40 entries', 1],
  [{ id: 1, params: Array(41).fill(entry) }, '1-40 entries', 1],
  [{ id: 1, params: [entry, 'x'] }, 'params[1] must be an object', 1],
  [{ id: 1, params: [{ ...entry, utcTime: 5 }] }, 'params[0].utcTime', 1],
  [{ id: 1, params: [{ ...entry, logLevel: 'info' }] }, 'params[0].logLevel', 1],
  [{ id: 1, params: [{ ...entry, module: undefined }] }, 'params[0].module', 1],
  [{ id: 1, params: [{ ...entry, code: null }] }, 'params[0].code', 1],
  [{ id: 1, params: [{ ...entry, logContent: {} }] }, 'params[0].logContent', 1],
  [{ id: 1, params: [{ ...entry, logContent: 'ä'.repeat(2049) }] }, 'at most 4096 bytes', 1],
  [{ id: 1, params: [{ ...entry, traceContext: 1 }] }, 'params[0].traceContext', 1],
])('a post that is wrong is refused: %#', (message, reason, id) => {
  const error = refusal(parseLogPost, message);
  expect(error.message).toContain(reason);
  expect([error.code, error.id]).toEqual([460, id]);
  expect(JSON.parse(logErrorPayload(error))).toMatchObject({ id: id ?? '', code: 460 });
});

test('content may have 4096 bytes', () => {
  const logContent = 'ä'.repeat(2048);
  expect(parseLogPost(payload({ id: 1, params: [{ ...entry, logContent }] })).entries).toHaveLength(
    1,
  );
});

test.each([
  [{ id: 1, params: { configScope: 'product', getType: 'content' } }, 6718],
  [{ id: 1, params: { configScope: 'device', getType: 'file' } }, 6717],
  [{ id: 1 }, 460],
  ['[]', 460],
])('a question %j is answered with %d', (message, code) => {
  expect(refusal(parseLogConfigGet, message).code).toBe(code);
});

test('whether logs are wanted is mode 1 or 0', () => {
  const question = { id: '7', params: { configScope: 'device', getType: 'content' } };
  expect(parseLogConfigGet(payload(question))).toBe('7');
  expect(JSON.parse(logConfigReplyPayload('7', true))).toEqual({
    id: '7',
    code: 200,
    data: { getType: 'content', content: { mode: 1 } },
  });
  expect(JSON.parse(logConfigPushPayload('8', false))).toEqual({
    id: '8',
    version: '1.0',
    method: 'thing.config.log.push',
    params: { getType: 'content', content: { mode: 0 } },
  });
});

test.each([
  ['2026-11-29T12:00:00.123+0000', Date.UTC(2026, 10, 29, 12, 0, 0, 123)],
  ['2026-11-29T12:00:00Z', Date.UTC(2026, 10, 29, 12)],
  ['2026-11-29 12:00:00', Date.UTC(2026, 10, 29, 12)],
  ['2026-11-29T12:00:00+08:00', Date.UTC(2026, 10, 29, 4)],
  ['1970-01-01T00:00:07.000+0000', 7000],
  ['2026-13-29T12:00:00Z', undefined],
  ['agent 7', undefined],
  ['', undefined],
])('the time of an entry, %j, is read', (text, expected) => {
  expect(parseLogTime(text)).toBe(expected);
});
