/**
 * The suffix array of bytes, by induced sorting (SA-IS: G. Nong, S. Zhang, W. H. Chan, "Linear
 * suffix array construction by almost pure induced-sorting", 2009): in linear time, in the memory
 * of the result and a counter for each symbol. A suffix is of type S if it is less than the one
 * that begins a byte later, else of type L; the end of the text is less than everything. An S after
 * an L is called LMS: those are sorted first, by the same algorithm on a text of at most half the
 * length, and all others follow from them.
 */

type Text = Uint8Array | Int32Array;

const BYTES = 256;

/** The longest text: its suffixes are numbered in 32 bits with a sign. */
export const MAX_TEXT = 0x7fff_fffe;

/**
 * Where each suffix of `text` begins, in the order of the suffixes. Takes 4 bytes for each of the
 * text and at most 2 more while it works; blocks its thread.
 */
export function suffixArray(text: Uint8Array): Int32Array {
  const suffixes = new Int32Array(text.length);
  sort(text, suffixes, BYTES);
  return suffixes;
}

function sort(text: Text, suffixes: Int32Array, symbols: number): void {
  const length = text.length;
  if (length < 2) return;
  const bucket = new Int32Array(symbols);
  const count = sortSubstrings(text, suffixes, bucket);
  if (count > 0) {
    const names = nameSubstrings(text, suffixes, count);
    const reduced = suffixes.subarray(length - count);
    if (names < count) sort(reduced, suffixes.subarray(0, count), names);
    else for (let i = 0; i < count; i += 1) suffixes[reduced[i] as number] = i;
    placeSorted(text, suffixes, bucket, count);
  } else {
    suffixes.fill(-1);
  }
  induce(text, suffixes, bucket);
}

/** `bucket[c]` becomes the place after the last suffix that begins with `c`. */
function toEnds(text: Text, bucket: Int32Array): void {
  bucket.fill(0);
  for (let i = 0; i < text.length; i += 1) (bucket[text[i] as number] as number)++;
  let sum = 0;
  for (let c = 0; c < bucket.length; c += 1) {
    sum += bucket[c] as number;
    bucket[c] = sum;
  }
}

/** `bucket[c]` becomes the place of the first suffix that begins with `c`. */
function toStarts(text: Text, bucket: Int32Array): void {
  toEnds(text, bucket);
  for (let c = bucket.length - 1; c > 0; c -= 1) bucket[c] = bucket[c - 1] as number;
  bucket[0] = 0;
}

/** Calls `found` with each LMS position, the last one first. */
function eachLms(text: Text, found: (position: number) => void): void {
  let isS = false;
  let next = text[text.length - 1] as number;
  for (let i = text.length - 2; i >= 0; i -= 1) {
    const c = text[i] as number;
    const wasS: boolean = isS;
    isS = c < next || (c === next && wasS);
    if (wasS && !isS) found(i + 1);
    next = c;
  }
}

/** Sorts the substrings from one LMS to the next; they are then the first of `suffixes`. */
function sortSubstrings(text: Text, suffixes: Int32Array, bucket: Int32Array): number {
  suffixes.fill(-1);
  toEnds(text, bucket);
  let count = 0;
  eachLms(text, (i) => {
    const c = text[i] as number;
    const place = (bucket[c] as number) - 1;
    bucket[c] = place;
    suffixes[place] = i;
    count += 1;
  });
  if (count === 0) return 0;
  induce(text, suffixes, bucket);
  return gatherLms(text, suffixes, bucket);
}

/** After induce() the suffixes of type S are those from `bucket[c]` to the bucket's end. */
function gatherLms(text: Text, suffixes: Int32Array, bucket: Int32Array): number {
  let count = 0;
  for (let c = 0; c < bucket.length; c += 1) {
    // The next bucket begins where this one ends; its suffixes of type L come first.
    for (let i = bucket[c] as number; i < suffixes.length; i += 1) {
      const position = suffixes[i] as number;
      if (text[position] !== c) break;
      if (position > 0 && (text[position - 1] as number) > c) suffixes[count++] = position;
    }
  }
  return count;
}

/**
 * Names the sorted substrings by their order, equal ones alike. The names are then the last `count`
 * of `suffixes`, in the order of the text.
 */
function nameSubstrings(text: Text, suffixes: Int32Array, count: number): number {
  // Two LMS are never neighbours, so half a position is a place of its own.
  suffixes.fill(-1, count);
  let end = text.length + 1;
  eachLms(text, (i) => {
    suffixes[count + (i >> 1)] = end - i;
    end = i + 1;
  });
  let names = 0;
  let before = -1;
  let lengthBefore = 0;
  for (let i = 0; i < count; i += 1) {
    const position = suffixes[i] as number;
    const length = suffixes[count + (position >> 1)] as number;
    if (length !== lengthBefore || !isSame(text, before, position, length)) names += 1;
    suffixes[count + (position >> 1)] = names - 1;
    before = position;
    lengthBefore = length;
  }
  let to = suffixes.length;
  for (let i = suffixes.length - 1; i >= count; i -= 1) {
    if ((suffixes[i] as number) >= 0) suffixes[--to] = suffixes[i] as number;
  }
  return names;
}

/** The last substring ends with the end of the text, and is like no other. */
function isSame(text: Text, a: number, b: number, length: number): boolean {
  if (a + length > text.length || b + length > text.length) return false;
  for (let i = 0; i < length; i += 1) if (text[a + i] !== text[b + i]) return false;
  return true;
}

/** The first `count` of `suffixes` are the sorted LMS by number: their positions go to the ends of their buckets. */
function placeSorted(text: Text, suffixes: Int32Array, bucket: Int32Array, count: number): void {
  let to = suffixes.length;
  eachLms(text, (i) => {
    suffixes[--to] = i;
  });
  for (let i = 0; i < count; i += 1) {
    suffixes[i] = suffixes[to + (suffixes[i] as number)] as number;
  }
  suffixes.fill(-1, count);
  toEnds(text, bucket);
  for (let i = count - 1; i >= 0; i -= 1) {
    const position = suffixes[i] as number;
    suffixes[i] = -1;
    const c = text[position] as number;
    const place = (bucket[c] as number) - 1;
    bucket[c] = place;
    suffixes[place] = position;
  }
}

/**
 * Given the LMS at the ends of their buckets, in order: from left to right they give those of type
 * L, which from right to left give those of type S, the LMS among them once more.
 */
function induce(text: Text, suffixes: Int32Array, bucket: Int32Array): void {
  const length = text.length;
  toStarts(text, bucket);
  const last = text[length - 1] as number;
  const first = bucket[last] as number;
  suffixes[first] = length - 1;
  bucket[last] = first + 1;
  for (let i = 0; i < length; i += 1) {
    const position = suffixes[i] as number;
    if (position <= 0) continue;
    const c = text[position - 1] as number;
    if (c < (text[position] as number)) continue;
    const place = bucket[c] as number;
    suffixes[place] = position - 1;
    bucket[c] = place + 1;
  }
  toEnds(text, bucket);
  for (let i = length - 1; i >= 0; i -= 1) {
    const position = suffixes[i] as number;
    if (position <= 0) continue;
    const c = text[position - 1] as number;
    const next = text[position] as number;
    const place = bucket[c] as number;
    // Of two equal symbols the first is of the second's type; type S is at the bucket's end.
    if (c > next || (c === next && i < place)) continue;
    suffixes[place - 1] = position - 1;
    bucket[c] = place - 1;
  }
}
