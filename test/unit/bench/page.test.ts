/** The page that is written from figures and notes. */
import fs from 'node:fs';
import path from 'node:path';
import type { Figures, Notes } from '../../../bench/figures';
import { goalsOf } from '../../../bench/goals';
import { devicesGoalIds } from '../../../bench/growth';
import { pageOf } from '../../../bench/page';
import { rowsOf } from '../../../bench/ratios';
import type { Section } from '../../../bench/section';
import { section } from './section';

const bench = path.join(__dirname, '../../../bench');
const notes: Notes = {
  reasons: { 'file-wall': 'because' },
  history: [{ what: 'a change', before: '1 s', after: '2 s', ratio: '2.00', kept: false }],
};

const figures = (sections: readonly Section[], load: [number, number] = [0.5, 1]): Figures => ({
  date: '2026-01-02T03:04:05.000Z',
  node: 'v20.0.0',
  openssl: '3.0.0',
  kernel: 'Linux 6',
  cpu: 'a CPU',
  cores: 2,
  load,
  server: 'nginx',
  loading: { addonMs: 1, packageMs: 20, goals: [] },
  sections,
});

test('a missed goal says why, a met one says nothing, a missed one without a note says so', () => {
  const page = pageOf(figures([section()]), notes);
  expect(page).toContain('| to file: share of the limit | ≥ 0.85 | 0.45 | missed | because |');
  expect(page).toContain('| to file: CPU ÷ floor | ≤ 1.15 | 1.05 | met |  |');
  expect(page).toContain(
    '| to file: speed ÷ the C library alone | ≥ 1 | 0.67 | missed | not known |',
  );
});

test('machine, floor, rows, placements and history stand on the page', () => {
  const page = pageOf(figures([section(), section({ placement: 'together' })]), notes);
  expect(page).toContain('One image of 1024 MiB');
  expect(page).toContain('2 × a CPU, Linux 6, Node.js v20.0.0 with OpenSSL 3.0.0');
  expect(page).toContain('| HTTPS SHA256 | 0.40 | 0.30 | 1.00 | 0.20 | 1.90 |');
  expect(page).toContain('| iotkit-ota → file | 358 | 2.00 | 1.05 |');
  expect(page).toContain('| HTTPS SHA256, both on one core | iotkit-ota → file | 358 |');
  expect(page).toContain('| a change | 1 s | 2 s | 2.00 | dropped |');
});

test('of a busy machine the page has CPU time alone', () => {
  const quiet = pageOf(figures([section()]), notes);
  const busy = pageOf(figures([section()], [7, 8]), notes);
  expect(quiet).toContain('| MB/s |');
  expect(quiet).not.toContain('other programs ran');
  expect(busy).toContain('other programs ran');
  expect(busy).toContain('| iotkit-ota → file | 2.00 | 1.05 |');
  expect(busy).not.toContain('MB/s |');
  expect(busy).toContain(
    '| to file: event loop | ≤ 0.02 | - | not measured | the machine was busy |',
  );
});

test('the notes of this project name goals that there are', () => {
  const read = JSON.parse(fs.readFileSync(path.join(bench, 'notes.json'), 'utf8')) as Notes;
  const loading = ['addon-load', 'package-load', 'addon-size'];
  const ofDownloads = goalsOf(rowsOf(section(), 2)).map(({ id }) => id);
  const ids = [...ofDownloads, ...loading, ...devicesGoalIds];
  expect(Object.keys(read.reasons).filter((id) => !ids.includes(id))).toEqual([]);
});
