import { suffixArray } from '../../../lib/delta/suffix-array';
import { Chance } from '../../support/delta';

function slowly(text: Buffer): number[] {
  const suffixes = Array.from(text, (_, i) => i);
  return suffixes.sort((a, b) => Buffer.compare(text.subarray(a), text.subarray(b)));
}

test.each(['', 'a', 'aa', 'ab', 'ba', 'banana', 'mississippi', 'abababab', 'aaabaaabaaab'])(
  'of "%s"',
  (text) => {
    expect([...suffixArray(Buffer.from(text))]).toEqual(slowly(Buffer.from(text)));
  },
);

test('of texts by chance, of few symbols and of many', () => {
  for (let seed = 0; seed < 3000; seed += 1) {
    const chance = new Chance(seed);
    const symbols = [1, 2, 3, 5, 256][seed % 5] as number;
    const text = Buffer.from(
      Array.from({ length: chance.below(80) }, () => 255 - chance.below(symbols)),
    );
    const found = [...suffixArray(text)];
    if (found.join() !== slowly(text).join()) throw new Error(`seed ${seed}: [${found}]`);
  }
});

test('of repetitions, which take several rounds', () => {
  const words = ['a'];
  for (let i = 0; i < 14; i += 1) words.push((words.at(-1) ?? '') + (words.at(-2) ?? 'b'));
  const text = Buffer.from(words.at(-1) ?? '');
  expect([...suffixArray(text)]).toEqual(slowly(text));
});
