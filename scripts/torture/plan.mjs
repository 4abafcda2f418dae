// What happens in one run, drawn from a seed before it begins, so that it can be printed and run again.

const KIB = 1024;
const MIB = 1024 * KIB;

/** Numbers in [0, 1) that a seed repeats (mulberry32). */
export function randomOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Draws from a generator. */
class Dice {
  constructor(random) {
    this.random = random;
  }

  /** A whole number of [least, most]. */
  whole(least, most) {
    return least + Math.floor(this.random() * (most - least + 1));
  }

  chance(probability) {
    return this.random() < probability;
  }

  oneOf(values) {
    return values[this.whole(0, values.length - 1)];
  }

  /** One of the values, by their weights. */
  weighted(pairs) {
    const sum = pairs.reduce((total, [weight]) => total + weight, 0);
    let left = this.random() * sum;
    for (const [weight, value] of pairs) {
      left -= weight;
      if (left < 0) return value;
    }
    return pairs.at(-1)[1];
  }
}

/** How the last server of a run ends it: an image as announced, or an error that has to be told. */
const ENDS = {
  ok: [[94, 'ok']],
  errors: [
    [2, 'ERR_DIGEST_MISMATCH'],
    [2, 'ERR_SIZE_MISMATCH'],
    [2, 'ERR_HTTP_STATUS'],
  ],
};

/** The plan of run `number`. */
export function planOf(seed, number) {
  const dice = new Dice(randomOf(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b)));
  const size = dice.whole(3 * MIB, 9 * MIB);
  const count = dice.weighted([
    [30, 0],
    [35, 1],
    [20, 2],
    [15, 3],
  ]);
  const kills = Array.from({ length: count }, () => killOf(dice, size));
  kills.sort((a, b) => (a.sent ?? size) - (b.sent ?? size));
  const isDamaged = kills.length > 0 && dice.chance(0.3);
  const inPlace = dice.chance(0.1);
  return {
    number,
    size,
    digest: dice.oneOf(['SHA256', 'MD5']),
    scheme: dice.oneOf(['http', 'http', 'https']),
    connections: dice.chance(0.1) ? dice.whole(2, 4) : 1,
    /** Whether there is an older image under the final name. */
    hasOld: dice.chance(0.5),
    /** Into an existing file, at an offset, instead of a file of its own. */
    inPlace,
    megabytesPerSecond: dice.whole(8, 24),
    replies: Array.from({ length: dice.whole(0, 8) }, () => replyOf(dice, size)),
    kills: kills.map((kill) => ({
      ...kill,
      damage: isDamaged ? damagesOf(dice, size, inPlace) : [],
    })),
    ends: dice.weighted([...ENDS.ok, ...ENDS.errors]),
  };
}

/**
 * Whether bytes are fetched again for another reason than drops and kills: damage, a server without
 * ranges or with another entity tag, an image that is wrong in the end; or over several connections,
 * where all that is behind the first gap is lost with the program.
 */
export function isExcused({ replies, kills, ends, connections }) {
  if (connections > 1) return true;
  const forced = replies.some(({ kind }) => kind === 'whole' || kind === 'tag');
  return forced || ends !== 'ok' || kills.some(({ damage }) => damage.length > 0);
}

/** How one request is answered. What follows the list is answered as it should be. */
function replyOf(dice, size) {
  const kind = dice.weighted([
    [18, 'cut'],
    [14, 'reset'],
    [10, 'truncate'],
    [4, 'stall'],
    [6, 'silence'],
    [8, 'unavailable'],
    [6, 'expired'],
    [6, 'less'],
    [6, 'chunked'],
    [5, 'unframed'],
    [2, 'whole'],
    [2, 'tag'],
    [6, 'serve'],
  ]);
  const after = dice.chance(0.15) ? dice.whole(0, 64 * KIB) : dice.whole(0, size / 2);
  switch (kind) {
    case 'unavailable':
      return { kind, status: dice.oneOf([429, 500, 502, 503, 504]), says: dice.chance(0.5) };
    case 'expired':
      return { kind, status: dice.oneOf([403, 410]) };
    case 'silence':
      return { kind, ending: dice.oneOf(['close', 'cut', 'reset']) };
    case 'serve':
      return { kind };
    default:
      return { kind, after };
  }
}

/** SIGKILL when the server has sent so many bytes of the image, or so long after the program's start. */
function killOf(dice, size) {
  const at = dice.weighted([
    [70, 'sent'],
    [20, 'ms'],
    [10, 'end'],
  ]);
  if (at === 'ms') return { at, ms: dice.whole(0, 600) };
  if (at === 'end') return { at, ms: dice.whole(0, 20) };
  return { at, sent: dice.whole(0, size) };
}

const DAMAGES = ['flip', 'zero', 'truncate', 'append', 'remove', 'swap', 'swap-both', 'empty'];

/** What is done to the files of a program that was killed. A device keeps its size. */
function damagesOf(dice, size, inPlace) {
  return Array.from({ length: dice.whole(1, 2) }, () => {
    const file = dice.oneOf(['part', 'journal']);
    const hows = inPlace ? DAMAGES.slice(0, file === 'part' ? 2 : 6) : DAMAGES;
    return {
      file,
      how: dice.oneOf(hows),
      place: dice.random(),
      bytes: dice.whole(1, Math.ceil(size / 8)),
    };
  });
}
