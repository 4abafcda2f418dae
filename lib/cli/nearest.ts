// Tested by test/unit/cli/nearest.test.ts
/** What somebody may have meant by a name that is not known. */

/** The known name that is most like it; undefined: none is like it. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const plain = plainOf(name);
  const ranked = known.map((it) => ({ it, distance: distanceOf(plain, plainOf(it)) }));
  const [best] = ranked.sort((a, b) => a.distance - b.distance);
  // One letter in three may be wrong; of short names one.
  const isLike = best !== undefined && best.distance <= Math.max(1, Math.floor(plain.length / 3));
  return isLike ? best.it : undefined;
}

/** `deviceName`, `device-name` and `device_name` are the same word. A name may be of any length. */
function plainOf(name: string): string {
  return name.slice(0, 64).toLowerCase().replace(/[-_]/g, '');
}

/** How many letters have to be put in, left out, replaced or exchanged with the next one. */
function distanceOf(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const isSame = a[i - 1] === b[j - 1];
      const isExchanged = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row[j] = Math.min(
        (row[j - 1] ?? 0) + 1,
        (last[j] ?? 0) + 1,
        (last[j - 1] ?? 0) + (isSame ? 0 : 1),
        isExchanged ? (before[j - 2] ?? 0) + 1 : Infinity,
      );
    }
    [before, last] = [last, row];
  }
  return last[b.length] ?? 0;
}
