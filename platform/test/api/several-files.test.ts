import { parseFiles, splitFiles } from '../../src/api/several-files';

const wrong = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' });

async function* inChunks(...chunks: string[]) {
  for (const chunk of chunks) yield Buffer.from(chunk);
}

/** Reads the files of a body in their order. */
async function read(sizes: readonly number[], ...chunks: string[]): Promise<string[]> {
  const files = sizes.map((size, index) => ({ name: String(index), size }));
  const texts: string[] = [];
  for (const { stream } of splitFiles(inChunks(...chunks), files)) {
    let text = '';
    for await (const chunk of stream ?? []) text += Buffer.from(chunk).toString();
    texts.push(text);
  }
  return texts;
}

test('a list of files has names and sizes', () => {
  const files = [{ name: 'a', size: 1 }];
  expect(parseFiles(JSON.stringify(files))).toEqual(files);
});

test.each(['', '{}', '[]', '[1]', '[null]', '[{"name":"a"}]', '[{"name":"a","size":0}]'])(
  '%j is no list of files',
  (text) => expect(() => parseFiles(text)).toThrow(wrong),
);

test.each([
  ['one chunk', ['abcdef']],
  ['chunks as the files', ['a', 'bcd', 'ef']],
  ['small chunks', ['a', 'b', 'c', 'd', 'e', 'f']],
  ['chunks across the files', ['ab', 'cde', 'f']],
])('a body is split by the sizes: %s', async (_, chunks) => {
  expect(await read([1, 3, 2], ...chunks)).toEqual(['a', 'bcd', 'ef']);
});

test('a body that is too short or too long is refused', async () => {
  await expect(read([1, 3], 'abc')).rejects.toEqual(wrong);
  await expect(read([1, 3], 'abcde')).rejects.toEqual(wrong);
  await expect(read([1, 3], 'abcd', 'e')).rejects.toEqual(wrong);
});
