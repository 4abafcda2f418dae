import { compareVersions, versionRefusal } from '../../../lib/ota/versions';
import { randomFrom, refusalOf } from '../support';

/** Seeded, so that a failure can be repeated: VERSIONS_SEED=… */
const seed = Number(process.env.VERSIONS_SEED ?? Date.now() % 0x7fff_ffff);

/** Versions that are near each other, so that all rules meet. */
function versionsOf(random: (below: number) => number, count: number): string[] {
  const atoms = ['0', '00', '1', '01', '2', '10', '99999999999999999999', 'a', 'B', 'rc', 'v', 'w'];
  const separators = ['.', '-', '_', ''];
  const pick = <T>(list: readonly T[]): T => list[random(list.length)] as T;
  return Array.from({ length: count }, () => {
    let version = pick(atoms);
    for (let i = random(5); i > 0; i -= 1) version += pick(separators) + pick(atoms);
    return version.slice(0, 64);
  });
}

describe('compareVersions', () => {
  test.each([
    // The order of Semantic Versioning's own example.
    [
      '1.0.0-alpha',
      '1.0.0-alpha.1',
      '1.0.0-alpha.beta',
      '1.0.0-beta',
      '1.0.0-beta.2',
      '1.0.0-beta.11',
      '1.0.0-rc.1',
      '1.0.0',
    ],
    ['0.9', '1.0.0', '1.0.1', '1.2', '1.10', '2', '10.0', '20241231.1'],
    ['1.0.0-rc2', '1.0.0-rc10', '1.0.0', '1.0.0-1', '1.0.0-2', '1.0.1'],
    ['1.1.1', '1.1.1a', '1.1.1w', '1.1.1.1'],
    ['v1.2.3', 'V1.2.4', '1.2.5'],
    ['1.0.0-Alpha', '1.0.0-beta', '1.0.0-RC1'],
    ['mcu-1.9', 'mcu-1.10'],
    ['mcu-v1.9', 'mcu-v1.10'],
    ['1', '18446744073709551615', '18446744073709551616', `9${'0'.repeat(60)}`],
    ['1.0-2-rc1', '1.0-2'],
  ])('%s < … < %s', (...sorted) => {
    for (const [i, a] of sorted.entries()) {
      for (const [j, b] of sorted.entries()) {
        expect([a, b, compareVersions(a, b)]).toEqual([a, b, Math.sign(i - j)]);
      }
    }
  });

  test.each([
    ['1', '1.0.0'],
    ['v1.2', '1.2.0'],
    ['1.02.3', '1.2.3'],
    ['1.0.0-RC.1', '1.0.0-rc1'],
    ['1.0-rc', '1.0.0-rc'],
    ['1_2-3', '1.2.3'],
    ['0', '0.0'],
    ['-', '.'],
  ])('%s is %s', (a, b) => {
    expect(compareVersions(a, b)).toBe(0);
    expect(compareVersions(b, a)).toBe(0);
  });

  test(`is a total order (seed ${seed})`, () => {
    const versions = versionsOf(randomFrom(seed), 120);
    const order = versions.map((a) => versions.map((b) => compareVersions(a, b)));
    const at = (i: number, j: number): number => order[i]?.[j] as number;
    for (const i of versions.keys()) {
      expect(at(i, i)).toBe(0);
      for (const j of versions.keys()) {
        if (at(i, j) !== -at(j, i)) throw new Error(`${versions[i]} and ${versions[j]}`);
        if (at(i, j) > 0) continue;
        for (const k of versions.keys()) {
          // i ≤ j ≤ k: then i ≤ k, and the same only if all three are.
          if (at(j, k) <= 0 && at(i, k) !== Math.min(at(i, j), at(j, k))) {
            throw new Error(`${versions[i]}, ${versions[j]} and ${versions[k]}`);
          }
        }
      }
    }
  });
});

describe('the rules of a device', () => {
  const any = { newerOnly: false, allowVersion: undefined };
  const newer = { newerOnly: true, allowVersion: undefined };
  const at = (current: string | undefined, module?: string) => ({ module, current });

  test('without rules every version is allowed', () => {
    expect(versionRefusal('1.0.0', at('2.0.0'), any)).toBeUndefined();
  });

  test('newerOnly refuses the same and older ones, but not where nothing was reported', () => {
    expect(versionRefusal('2.0.1', at('2.0.0'), newer)).toBeUndefined();
    expect(versionRefusal('1.0.0', at(undefined), newer)).toBeUndefined();
    for (const version of ['2.0.0', '2.0', '1.9.9', '2.0.0-rc1']) {
      expect(versionRefusal(version, at('2.0.0'), newer)).toMatchObject({
        code: 'ERR_VERSION_REFUSED',
        retryable: false,
        detail: `${version} is not newer than 2.0.0, and only newer ones are allowed`,
      });
    }
  });

  test('allowVersion is asked with all that is known, after newerOnly', () => {
    const asked: unknown[] = [];
    const allowVersion = (...question: unknown[]): boolean => {
      asked.push(question);
      return question[0] === '3.0.0';
    };
    expect(versionRefusal('3.0.0', at('2.0.0', 'MCU'), { newerOnly: true, allowVersion })).toBe(
      undefined,
    );
    expect(versionRefusal('4.0.0', at(undefined), { newerOnly: true, allowVersion })).toMatchObject(
      { code: 'ERR_VERSION_REFUSED', detail: '4.0.0: allowVersion said false' },
    );
    versionRefusal('1.0.0', at('2.0.0'), { newerOnly: true, allowVersion });
    expect(asked).toEqual([
      ['3.0.0', { module: 'MCU', current: '2.0.0' }],
      ['4.0.0', { module: undefined, current: undefined }],
    ]);
  });

  test('what allowVersion throws refuses, and is the cause', () => {
    const cause = new Error('no');
    const allowVersion = (): boolean => {
      throw cause;
    };
    const refusal = versionRefusal('2', at('1'), { newerOnly: false, allowVersion });
    expect(refusal).toMatchObject({ code: 'ERR_VERSION_REFUSED', cause });
  });

  test.each([[Promise.resolve(true)], [undefined], ['yes'], [1]])(
    'an answer that is no boolean refuses: %p',
    (answer) => {
      const allowVersion = (() => answer) as unknown as () => boolean;
      const refusal = versionRefusal('2', at('1'), { newerOnly: false, allowVersion });
      expect(refusal).toMatchObject({
        code: 'ERR_VERSION_REFUSED',
        cause: expect.objectContaining({ name: 'TypeError' }),
      });
    },
  );
});

test('an allowVersion that is async refuses, and its rejection goes where errors go', async () => {
  const cause = new Error('no table of versions');
  const allowVersion = (async () => Promise.reject(cause)) as unknown as () => boolean;
  const late = await new Promise((resolve) => {
    const rules = { newerOnly: false, allowVersion };
    const refusal = versionRefusal('2', { module: undefined, current: '1' }, rules, resolve);
    expect(refusal).toMatchObject({ code: 'ERR_VERSION_REFUSED' });
  });
  expect(late).toMatchObject({ code: 'ERR_VERSION_REFUSED', cause });
  const nobody = versionRefusal(
    '2',
    { module: undefined, current: '1' },
    { newerOnly: false, allowVersion },
  );
  expect(nobody).toBeDefined();
});

test.each([
  [undefined, '1', 'a must be a string, got undefined'],
  ['1', null, 'b must be a string, got null'],
  [1, '1', 'a must be a string, got 1'],
])('what is no version is refused: %p and %p', (a, b, message) => {
  const refusal = refusalOf(() => compareVersions(a as string, b as string));
  expect(refusal.message).toBe(message);
});
