// Deltas that were damaged or made up by chance: each is refused with a code of its own or gives the
// right image, and none makes more than its header says. `npm run torture -- delta` does it for longer.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Attacker } from '../../support/hostile-delta';

const SEED = 20_261_129;
const ATTACKS = 400;

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-test-'));
});
afterAll(() => rm(folder, { recursive: true }));

test('what is damaged or made up is refused, whatever it says', async () => {
  const base = path.join(folder, 'base');
  const attacker = await Attacker.open((bytes) => writeFile(base, bytes).then(() => base));
  const seen = new Map<string, number>();
  for (let seed = SEED; seed < SEED + ATTACKS; seed += 1) {
    const outcome = await attacker.attack(seed);
    seen.set(outcome, (seen.get(outcome) ?? 0) + 1);
  }
  // Each kind was met, or the attacks are no longer what they were.
  expect([...seen.keys()].sort()).toEqual(
    expect.arrayContaining(['ERR_DELTA_FORMAT', 'ERR_DELTA_RESULT', 'right']),
  );
});
