// Deltas that were damaged or made up by chance, as many as are wanted: each is refused with a code of its own or gives
// the right image. What a seed repeats is the delta.
//
//   node scripts/torture/delta.mjs [--runs 20000] [--seed S]
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { loadTypeScript } from '../lib/load-typescript.mjs';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '20000' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 2 ** 30)) },
  },
});
const [runs, seed] = [Number(values.runs), Number(values.seed)];
const { Attacker } = loadTypeScript('test/support/hostile-delta.ts');
const folder = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-torture-'));
const base = path.join(folder, 'base');
const outcomes = {};
console.log(`${runs} deltas, seed ${seed}`);
try {
  const attacker = await Attacker.open((bytes) => writeFile(base, bytes).then(() => base));
  for (let i = 0; i < runs; i += 1) {
    const outcome = await attacker.attack(seed + i);
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  }
  console.log(outcomes);
} finally {
  await rm(folder, { recursive: true });
}
