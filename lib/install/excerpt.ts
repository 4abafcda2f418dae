// Tested by test/unit/install/record.test.ts and reports.test.ts
/** What is left of a long text where there is no room for all of it. */

const MARK = ' … ';
const MARK_BYTES = Buffer.byteLength(MARK);

/**
 * @internal At most `max` bytes: the first `head`, which name what failed, and the end, which is what
 * it said last. A character that would be cut in two is left out.
 */
export function excerpt(text: string, max: number, head: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= max) return text;
  return [bytes.subarray(0, head), bytes.subarray(bytes.length - (max - head - MARK_BYTES))]
    .map((part) => part.toString().replace(/^\ufffd+|\ufffd+$/g, ''))
    .join(MARK);
}
