import { checkTargets } from '../../../lib/download/targets';
import { traceOf } from '../../../lib/download/trace';

const image = { module: 'MCU', version: '2', size: 10, digest: 'ab', files: [] };
const writer = { write: () => {} };

test('names the image and the kinds of its targets, a writer last', () => {
  const targets = checkTargets([writer, '/a', { device: '/dev/x' }, { path: '/b' }]);
  expect(traceOf(image, targets)).toEqual({
    upgrade: image,
    module: 'MCU',
    version: '2',
    size: 10,
    targets: ['file', 'device', 'file', 'writer'],
  });
});

test('the target of several files is a directory; without targets it is one in chunks', () => {
  const files = [{ name: 'a', digest: 'cd' }];
  expect(traceOf({ ...image, files }, checkTargets('/a')).targets).toEqual(['directory']);
  expect(traceOf(image).targets).toEqual(['chunks']);
});
