import { readRecord } from '../../src/store/shapes';

const device = { productKey: 'a', deviceName: 'b', deviceSecret: 'c', versions: {} };

test('a record that has what its kind needs can be used, whatever it has besides', () => {
  const more = { ...device, other: [1] };
  expect(readRecord('device', JSON.stringify(more))).toEqual({ record: more });
});

test.each([
  ['{"productKey"', /not JSON/],
  ['[]', /no object/],
  ['null', /no object/],
  [JSON.stringify({ ...device, versions: [] }), /versions/],
  [JSON.stringify({ ...device, deviceSecret: undefined }), /deviceSecret/],
])('%s is named for what it lacks', (text, flaw) => {
  expect(readRecord('device', text)).toEqual({ flaw: expect.stringMatching(flaw) });
});
