// Pages that show programs of examples/ whole: after a line that begins with a link to the file comes a block with its
// text, which this keeps equal to it.
import { read } from '../lib/tree.mjs';

const PAGE = 'docs/cookbook.md';
const shown = /^(\[`(examples\/[\w./-]+)`\]\([^)\n]*\)[^\n]*\n\n```ts\n).*?^(```)$/gms;

/** What the pages have to be: path and text of each. */
export function pagesWithCode() {
  const text = read(PAGE).replace(shown, (_, head, file, end) => `${head}${read(file)}${end}`);
  return new Map([[PAGE, text]]);
}
