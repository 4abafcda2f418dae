import { IotkitError } from '../../../lib/base/errors';
import { DeviceLogs, type LogEntry } from '../../../lib/logs/device-logs';

/** What a device would send, and how the platform answers. */
function logsOf(answer: (body: Record<string, unknown>) => unknown = () => ({})) {
  const sent: Array<{ topic: string; params: Array<Record<string, string>> }> = [];
  const logs = new DeviceLogs({
    productKey: 'pk',
    deviceName: 'dn',
    request: async (topic, body) => {
      sent.push({ topic, params: body.params as Array<Record<string, string>> });
      return { id: '1', code: 200, message: '', data: answer(body) };
    },
    subscribe: () => Promise.reject(new IotkitError('ERR_MQTT_SUBSCRIBE')),
    onLostError: () => {},
  });
  return { logs, sent };
}

const entry: LogEntry = { level: 'warn', content: 'hot', time: Date.UTC(2026, 10, 29, 1, 2, 3, 4) };

test('an entry goes in the words of the platform', async () => {
  const { logs, sent } = logsOf();
  await logs.post([entry, { ...entry, module: 'fan', code: 7, trace: 't1', level: 'fatal' }]);
  const head = { utcTime: '2026-11-29T01:02:03.004+0000', logContent: 'hot' };
  expect(sent).toEqual([
    {
      topic: '/sys/pk/dn/thing/log/post',
      params: [
        { ...head, logLevel: 'WARN', module: 'app', code: '0' },
        { ...head, logLevel: 'FATAL', module: 'fan', code: '7', traceContext: 't1' },
      ],
    },
  ]);
});

test('without a time it is of now', async () => {
  jest.useFakeTimers({ now: 0 });
  const { logs, sent } = logsOf();
  await logs.post([{ level: 'info', content: '' }]);
  jest.useRealTimers();
  expect(sent[0]?.params[0]).toMatchObject({ utcTime: '1970-01-01T00:00:00.000+0000' });
});

test('nothing is sent of no entries', async () => {
  const { logs, sent } = logsOf();
  await logs.post([]);
  expect(sent).toEqual([]);
});

test('a long entry becomes several, cut between characters, and nothing is lost', async () => {
  const { logs, sent } = logsOf();
  // 4 bytes each in UTF-8, 2 units in a string.
  const content = `x${'😀'.repeat(5000)}`;
  await logs.post([{ ...entry, content }]);
  const texts = sent.flatMap(({ params }) => params.map(({ logContent = '' }) => logContent));
  expect(texts.join('')).toBe(content);
  expect(texts.length).toBe(5);
  for (const text of texts) expect(Buffer.byteLength(text)).toBeLessThanOrEqual(4096);
});

test('a message has at most 40 entries and 200 KiB', async () => {
  const { logs, sent } = logsOf();
  await logs.post(Array.from({ length: 81 }, () => entry));
  expect(sent.map(({ params }) => params.length)).toEqual([40, 40, 1]);
  sent.length = 0;
  // Six bytes each in JSON.
  await logs.post(Array.from({ length: 40 }, () => ({ ...entry, content: '\u0001'.repeat(4096) })));
  expect(sent.length).toBeGreaterThan(1);
  expect(sent.flatMap(({ params }) => params)).toHaveLength(40);
  for (const { params } of sent) {
    expect(Buffer.byteLength(JSON.stringify(params))).toBeLessThanOrEqual(200 * 1024 + 2);
  }
});

test('what the platform refuses ends it, and what follows is not sent', async () => {
  const { logs, sent } = logsOf(() => {
    throw new IotkitError('ERR_NOTICE_CODE', '460');
  });
  const entries = Array.from({ length: 50 }, () => entry);
  await expect(logs.post(entries)).rejects.toMatchObject({ code: 'ERR_NOTICE_CODE' });
  expect(sent).toHaveLength(1);
});

test('what has been taken is said after each message, of whole entries', async () => {
  let messages = 0;
  const { logs, sent } = logsOf(() => {
    messages += 1;
    if (messages === 3) throw new IotkitError('ERR_TIMEOUT');
    return {};
  });
  const taken: number[] = [];
  // 39 entries and three pieces of the 40th: the second message begins within it.
  const long = { ...entry, content: 'x'.repeat(3 * 4096) };
  const entries = [...Array.from({ length: 39 }, () => entry), long, ...Array(60).fill(entry)];
  const onTaken = (count: number): void => void taken.push(count);
  await expect(logs.post(entries, { onTaken })).rejects.toMatchObject({ code: 'ERR_TIMEOUT' });
  expect(sent.map(({ params }) => params.length)).toEqual([40, 40, 22]);
  expect(taken).toEqual([39, 78]);
  await logs.post(entries.slice(78), { onTaken });
  expect(taken).toEqual([39, 78, 22]);
  const none = logs.post([entry], { onTaken: 5 as never });
  await expect(none).rejects.toThrow('onTaken must be a function');
  await expect(logs.wanted({ onTaken } as object)).rejects.toThrow('has no option onTaken');
});

test.each([
  ['entries', 'x', 'entries must be an array'],
  ['no object', [null], 'entries[0] must be an object'],
  ['another level', [entry, { ...entry, level: 'loud' }], 'entries[1].level must be one of fatal'],
  ['no content', [{ level: 'info' }], 'entries[0].content must be a string'],
  ['an empty module', [{ ...entry, module: '' }], 'entries[0].module must be'],
  ['a code that is none', [{ ...entry, code: {} }], 'entries[0].code must be a string'],
  ['a time that is a date', [{ ...entry, time: new Date() }], 'entries[0].time must be'],
  ['a time that is none', [{ ...entry, time: Number.NaN }], 'entries[0].time must be'],
  ['a trace that is none', [{ ...entry, trace: 1 }], 'entries[0].trace must be'],
  ['a misspelt member', [{ ...entry, msg: 'x' }], 'entries[0] has no option msg'],
])('%s is refused before anything is sent', async (_, entries, message) => {
  const { logs, sent } = logsOf();
  await expect(logs.post(entries as LogEntry[])).rejects.toMatchObject({
    code: 'ERR_INVALID_ARGUMENT',
    message: expect.stringContaining(message),
  });
  expect(sent).toEqual([]);
});

test.each([
  [{ content: { mode: 1 } }, true],
  [{ content: { mode: '0' } }, false],
])('an answer %j says whether logs are wanted', async (data, expected) => {
  const { logs, sent } = logsOf(() => data);
  expect(await logs.wanted()).toBe(expected);
  expect(sent).toMatchObject([{ topic: '/sys/pk/dn/thing/config/log/get' }]);
});

test.each([[undefined], [null], [{}], [{ content: null }], [{ content: { mode: 2 } }]])(
  'an answer %j says nothing',
  async (data) => {
    await expect(logsOf(() => data).logs.wanted()).rejects.toMatchObject({
      code: 'ERR_NOTICE_FIELD',
    });
  },
);
