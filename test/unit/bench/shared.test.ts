/** The part of the page about one image for many. */
import fs from 'node:fs';
import path from 'node:path';
import { replaceShared, type SharedFigures, type SharedRow, type Way } from '../../../bench/shared';

const row = (devices: number, way: Way, cpu: number): SharedRow => ({
  devices,
  way,
  cpu,
  serverCpu: 0.25,
  memoryKiB: 2560,
  requests: way === 'each' ? devices : 1,
  bytes: (way === 'each' ? devices : 1) * 8 * 2 ** 20,
  onDisk: (way === 'linked' ? 1 : devices) * 8 * 2 ** 20,
  files: way === 'linked' ? 1 : devices,
});

const figures: SharedFigures = {
  date: '2026-01-02T03:04:05.000Z',
  mib: 8,
  runs: 3,
  load: 1.25,
  cpu: 'a CPU',
  cores: 2,
  disk: 'ext4',
  rows: [row(1, 'linked', 0.1), row(200, 'linked', 0.5), row(200, 'each', 3.5)],
};
const page = '# Speed\n\n## Goals\n\n## What was changed for speed\n\nmuch\n';

test('it stands before the history, and a newer one takes its place', () => {
  const once = replaceShared(page, figures);
  expect(once).toContain('| 200 | hard links | 1 | 8 | 0.50 | 0.25 | 2.5 | 1 | 8 |');
  expect(once).toContain('| 200 | each for itself | 200 | 1600 | 3.50 | 0.25 | 2.5 | 200 | 1600 |');
  expect(once.indexOf('## One image')).toBeLessThan(once.indexOf('## What was changed'));
  expect(replaceShared(once, figures)).toBe(once);
  expect(replaceShared(once, { ...figures, mib: 9 })).toContain('An image of 9 MiB');
  expect(() => replaceShared('# Speed', figures)).toThrow('the page has no');
});

test('the page shows the figures that are kept', () => {
  const root = path.join(__dirname, '../../..');
  const kept = JSON.parse(fs.readFileSync(path.join(root, 'bench/share.json'), 'utf8'));
  const shown = fs.readFileSync(path.join(root, 'docs/performance.md'), 'utf8');
  expect(replaceShared(shown, kept as SharedFigures)).toBe(shown);
});
