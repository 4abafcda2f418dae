import { asExtData, fromExtData } from '../../../lib/delta/announced';
import { infoOf } from '../../support/delta';

const info = infoOf(Buffer.from('old'), Buffer.from('new'));

test('what is written is read, and fits into a value of the platform', () => {
  const extData = asExtData(info);
  expect(extData['iotkit.delta.v1']?.length).toBeLessThanOrEqual(1024);
  expect(fromExtData({ other: 'x', ...extData })).toEqual(info);
  expect(fromExtData({ 'iotkit.delta.v1': info })).toEqual(info);
});

test('without the entry nothing is said', () => {
  expect(fromExtData({ other: 'x' })).toBeUndefined();
});

test.each(['', '{', 'null', '[]', '{"base":{"size":1,"sha256":"ab"}}', 7])(
  '%j is refused',
  (it) => {
    expect(() => fromExtData({ 'iotkit.delta.v1': it })).toThrow(/ERR_DELTA|delta info/);
  },
);
