import { fail, ok, skip, warn } from '../../../../lib/cli/doctor/finding';
import { asJson, asText, reportOf } from '../../../../lib/cli/doctor/report';

const good = [
  { id: 'libc', ...ok('glibc 2.36', { version: '2.36' }) },
  { id: 'dns', ...skip('no host was named') },
];
const warned = [...good, { id: 'ca', ...warn('one is damaged', 'Replace it.') }];
const failed = [...warned, { id: 'addon', ...fail('none loads', 'Compile it.') }];

test.each([
  [good, false, true],
  [good, true, true],
  [warned, false, true],
  [warned, true, false],
  [failed, false, false],
])('what counts as well', (checks, strict, isOk) => {
  expect(reportOf(checks, '1.0.0', strict).ok).toBe(isOk);
});

test('the text has a line for each check, and its remedy', () => {
  expect(asText(reportOf(failed, '1.0.0', false)).split('\n')).toEqual([
    'iotkit-ota 1.0.0',
    '',
    'ok    libc         glibc 2.36',
    'skip  dns          no host was named',
    'warn  ca           one is damaged',
    '                   -> Replace it.',
    'fail  addon        none loads',
    '                   -> Compile it.',
    '',
    '1 ok, 1 warn, 1 fail, 1 skip',
  ]);
});

test('what a server or a path says does not reach the terminal raw', () => {
  const text = asText(reportOf([{ id: 'ca', ...ok('\x1b[2J\x07a\nb') }], '1.0.0', false));
  expect(text).toContain('?[2J?a\n                      b');
});

test('JSON has the same in the documented form', () => {
  const report = reportOf(failed, '1.0.0', false);
  expect(JSON.parse(asJson(report))).toEqual({
    schema: 1,
    version: '1.0.0',
    time: report.time,
    ok: false,
    counts: { ok: 1, warn: 1, fail: 1, skip: 1 },
    checks: failed.map((it) => ({ ...it, remedy: it.remedy ?? null })),
  });
});
