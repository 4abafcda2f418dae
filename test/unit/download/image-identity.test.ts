import { type ImageIdentity, isSameImage, moduleKey } from '../../../lib/download/image-identity';

const image: ImageIdentity = {
  module: undefined,
  version: '2.0.0',
  size: 10,
  digest: 'ab',
  files: [],
};
const files = [
  { name: 'a', digest: '1' },
  { name: 'b', digest: '2' },
];

test('the same image is the same, whatever else was announced with it', () => {
  expect(isSameImage(image, { ...image, id: '7' } as ImageIdentity)).toBe(true);
  const several = { ...image, digest: '', files };
  expect(isSameImage(several, { ...several, files: files.map((it) => ({ ...it })) })).toBe(true);
});

test.each<Partial<ImageIdentity>>([
  { module: 'MCU' },
  { version: '2.0.1' },
  { size: 11 },
  { digest: 'ac' },
  { files },
  { files: [...files].reverse() },
  { files: files.slice(1) },
])('with %j it is another one', (change) => {
  expect(isSameImage(image, { ...image, ...change })).toBe(false);
  expect(isSameImage({ ...image, files }, { ...image, files, ...change })).toBe(
    change.files === files,
  );
});

test("the device's own module is called default, or not at all", () => {
  expect(['', undefined, 'default', 'MCU', 'Default'].map(moduleKey)).toEqual([
    '',
    '',
    '',
    'MCU',
    'Default',
  ]);
  expect(isSameImage(image, { ...image, module: 'default' })).toBe(true);
  expect(isSameImage({ ...image, module: 'MCU' }, { ...image, module: 'default' })).toBe(false);
});
