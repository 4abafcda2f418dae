import { jsonOf, textOf } from '../../../lib/config/content';

const bytesOf = (...parts: Array<string | readonly number[]>): Uint8Array =>
  Buffer.concat(parts.map((part) => Buffer.from(part as string)));

test('text is UTF-8 without its mark', () => {
  expect(textOf(bytesOf([0xef, 0xbb, 0xbf], '{"colour":"grün"}'))).toBe('{"colour":"grün"}');
  expect(textOf(bytesOf())).toBe('');
});

test('what is not UTF-8 is refused', () => {
  expect(() => textOf(bytesOf('secret', [0xff]))).toThrow(
    expect.objectContaining({ code: 'ERR_CONFIG_CONTENT', detail: 'it is not UTF-8' }),
  );
});

test('JSON is what it says', () => {
  expect(jsonOf(' {"a":[1,null]} ')).toEqual({ a: [1, null] });
});

test.each(['', '{"password":hunter2}', 'hunter2', '{"a":1} hunter2'])(
  'what is not JSON is refused, and not shown: %j',
  (text) => {
    const thrown = (() => {
      try {
        return jsonOf(text);
      } catch (error) {
        return error;
      }
    })();
    expect(thrown).toMatchObject({ code: 'ERR_CONFIG_CONTENT' });
    expect(String(thrown)).toMatch(/it is not JSON/);
    expect(String((thrown as Error).stack)).not.toMatch(/hunter2/);
    expect((thrown as Error).cause).toBeUndefined();
  },
);
