import { fromJson, toJson } from '../../src/messages/payload';

test.each([
  [Buffer.from('{"a":"é"}'), { payload: '{"a":"é"}', encoding: 'utf8' }],
  [Buffer.alloc(0), { payload: '', encoding: 'utf8' }],
  [Buffer.from([0xff, 0]), { payload: '/wA=', encoding: 'base64' }],
] as const)('bytes as JSON and back: %j', (bytes, json) => {
  expect(toJson(bytes)).toEqual(json);
  expect(fromJson(json)).toEqual(bytes);
});

test('text is the default, and what is not base64 is refused', () => {
  expect(fromJson({ payload: '/wA=' })).toEqual(Buffer.from('/wA='));
  expect(fromJson({})).toEqual(Buffer.alloc(0));
  for (const payload of ['/wA', '/w=A', '*', '/wA=\n']) {
    expect(() => fromJson({ payload, encoding: 'base64' })).toThrow('payload must be base64');
  }
});
