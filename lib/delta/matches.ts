// Tested by test/unit/delta/make.test.ts
/**
 * What two images have in common, as steps that make the new one: bsdiff's way (C. Percival, "Naive
 * differences of executable code", 2003), which lets a stretch go on over single bytes that differ,
 * as addresses in machine code do when something before them has grown.
 */

/** `copy` bytes like those of the old image at `position`, then `fresh` others. */
export interface Step {
  readonly position: number;
  readonly copy: number;
  readonly fresh: number;
}

/** So many bytes in line with the step so far are followed without a search for better ones. */
const IN_LINE = 32;
/** A place is as good as any if so many bytes are alike. */
const LENGTH_MAX = 4096;
/** Positions that are looked at between two reports, at most. */
const REPORT_EVERY = 64 * 1024;
/** So many more bytes must be alike elsewhere than in line, to begin another step. */
const GAIN = 8;

/** Finds the place in the old image that has most bytes in common with one in the new image. */
class Places {
  readonly #old: Uint8Array;
  readonly #suffixes: Int32Array;
  /** Where the suffixes begin that begin with a pair of bytes. */
  readonly #pairs = new Int32Array(0x1_0001);
  position = 0;
  length = 0;

  constructor(old: Uint8Array, suffixes: Int32Array) {
    this.#old = old;
    this.#suffixes = suffixes;
    const pairs = this.#pairs;
    for (let i = 0; i < old.length; i += 1) {
      // The suffix of one byte is before all of its pairs.
      (pairs[((old[i] as number) << 8) + (old[i + 1] ?? 0) + 1] as number)++;
    }
    for (let pair = 1; pair < pairs.length; pair += 1) {
      pairs[pair] = (pairs[pair] as number) + (pairs[pair - 1] as number);
    }
  }

  /** Sets `position` and `length` for the bytes of `image` from `at` on. */
  find(image: Uint8Array, at: number): void {
    this.length = 0;
    if (at + 1 >= image.length) return;
    const pair = ((image[at] as number) << 8) + (image[at + 1] as number);
    let low = this.#pairs[pair] as number;
    let high = (this.#pairs[pair + 1] as number) - 1;
    let alikeLow = 0;
    let alikeHigh = 0;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const position = this.#suffixes[middle] as number;
      const alike = this.#alike(image, at, position, Math.min(alikeLow, alikeHigh));
      if (alike > this.length) {
        this.length = alike;
        this.position = position;
      }
      if (alike === LENGTH_MAX) return;
      if (this.#isLess(image, at + alike, position + alike)) {
        low = middle + 1;
        alikeLow = alike;
      } else {
        high = middle - 1;
        alikeHigh = alike;
      }
    }
  }

  #alike(image: Uint8Array, at: number, position: number, known: number): number {
    const old = this.#old;
    const end = Math.min(LENGTH_MAX, image.length - at, old.length - position);
    let alike = known;
    while (alike < end && image[at + alike] === old[position + alike]) alike += 1;
    return alike;
  }

  /** Whether the old image's suffix is less than the new one's. */
  #isLess(image: Uint8Array, at: number, position: number): boolean {
    if (position >= this.#old.length) return true;
    return at < image.length && (this.#old[position] as number) < (image[at] as number);
  }
}

/** The steps that make `image` of `old`. `report` is called now and then with how far they are. */
export function* stepsOf(
  old: Uint8Array,
  image: Uint8Array,
  suffixes: Int32Array,
  report: (done: number) => void,
): Generator<Step, void, undefined> {
  const places = new Places(old, suffixes);
  // The step that is being made: what of the new image is in line with what of the old one.
  let stepAt = 0;
  let position = 0;
  for (let scan = 0; scan < image.length; ) {
    report(scan);
    const next = nextPlace(old, image, places, scan, position - stepAt, report);
    scan = next.at;
    if (!next.isOther) continue;
    const ends = meet(old, image, { stepAt, position, at: next.at, to: next.position });
    yield { position, copy: ends.copy, fresh: next.at - ends.back - (stepAt + ends.copy) };
    stepAt = next.at - ends.back;
    position = next.position - ends.back;
    scan = next.at + next.length;
  }
  const copy = forward(old, image, stepAt, position, image.length);
  if (stepAt < image.length) yield { position, copy, fresh: image.length - stepAt - copy };
}

interface Place {
  /** In the new image. */
  readonly at: number;
  /** Whether another step begins there, at `position` of the old image, with so many bytes alike. */
  readonly isOther: boolean;
  readonly position: number;
  readonly length: number;
}

/** From `start` on: where the step ends because another place has much more, or how far it goes on. */
function nextPlace(
  old: Uint8Array,
  image: Uint8Array,
  places: Places,
  start: number,
  shift: number,
  report: (done: number) => void,
): Place {
  const inLine = (at: number): boolean => image[at] === old[at + shift];
  let counted = start;
  let alike = 0;
  for (let at = start; at < image.length; at += 1) {
    if (at % REPORT_EVERY === 0) report(at);
    const run = runInLine(old, image, at, shift);
    if (run >= IN_LINE) return { at: at + run, isOther: false, position: 0, length: 0 };
    places.find(image, at);
    const { position, length } = places;
    for (; counted < at + length; counted += 1) if (inLine(counted)) alike += 1;
    if (length > alike + GAIN) return { at, isOther: true, position, length };
    const isAsGood = length > 0 && (length === alike || length === LENGTH_MAX);
    if (isAsGood) return { at: at + length, isOther: false, position: 0, length: 0 };
    if (counted > at && inLine(at)) alike -= 1;
    counted = Math.max(counted, at + 1);
  }
  return { at: image.length, isOther: false, position: 0, length: 0 };
}

function runInLine(old: Uint8Array, image: Uint8Array, at: number, shift: number): number {
  let run = 0;
  while (at + run < image.length && image[at + run] === old[at + run + shift]) run += 1;
  return run;
}

/** How many bytes from both places on are worth a copy: where most of them are alike. */
function forward(
  old: Uint8Array,
  image: Uint8Array,
  at: number,
  position: number,
  end: number,
): number {
  const count = Math.min(end - at, old.length - position);
  let alike = 0;
  let best = 0;
  let copy = 0;
  for (let i = 0; i < count; ) {
    if (image[at + i] === old[position + i]) alike += 1;
    i += 1;
    if (2 * alike - i > best) {
      best = 2 * alike - i;
      copy = i;
    }
  }
  return copy;
}

/** The same before both places. */
function backward(
  old: Uint8Array,
  image: Uint8Array,
  at: number,
  position: number,
  begin: number,
): number {
  const count = Math.min(at - begin, position);
  let alike = 0;
  let best = 0;
  let copy = 0;
  for (let i = 1; i <= count; i += 1) {
    if (image[at - i] === old[position - i]) alike += 1;
    if (2 * alike - i > best) {
      best = 2 * alike - i;
      copy = i;
    }
  }
  return copy;
}

interface Meeting {
  /** Where the step begins, in the new image and in the old one. */
  readonly stepAt: number;
  readonly position: number;
  /** Where the next one was found. */
  readonly at: number;
  readonly to: number;
}

/** How far the step goes on, and how far the next one goes back; where both may, the better one. */
function meet(
  old: Uint8Array,
  image: Uint8Array,
  { stepAt, position, at, to }: Meeting,
): { readonly copy: number; readonly back: number } {
  const copy = forward(old, image, stepAt, position, at);
  const back = backward(old, image, at, to, stepAt);
  const overlap = stepAt + copy - (at - back);
  if (overlap <= 0) return { copy, back };
  let score = 0;
  let best = 0;
  let kept = 0;
  for (let i = 0; i < overlap; i += 1) {
    const byte = image[at - back + i];
    if (byte === old[position + copy - overlap + i]) score += 1;
    if (byte === old[to - back + i]) score -= 1;
    if (score > best) {
      best = score;
      kept = i + 1;
    }
  }
  return { copy: copy - overlap + kept, back: back - kept };
}
