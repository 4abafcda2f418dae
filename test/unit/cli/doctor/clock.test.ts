import type { Look } from '../../../../lib/cli/doctor/certificate';
import { checkClock, installedAt } from '../../../../lib/cli/doctor/clock';

const look = {
  from: new Date('2026-12-01T00:00:00Z'),
  to: new Date('2027-12-01T00:00:00Z'),
} as Look;
const nobody = { installed: undefined, look: undefined };

test.each([
  ['1970-01-01T00:00:10Z', 'fail', 'this software is of'],
  ['2026-10-31T23:59:59Z', 'fail', 'this software is of'],
  ['2026-12-24T00:00:00Z', 'ok', ''],
  ['2090-01-01T00:00:00Z', 'fail', 'ahead'],
])('%s alone: %s', (date, status, why) => {
  const finding = checkClock({ now: new Date(date), ...nobody });
  expect(finding.status).toBe(status);
  expect(finding.summary).toContain(why);
});

test.each([
  ['2026-11-20T00:00:00Z', 'fail', 'certificate begins 2026-12-01T00:00:00.000Z'],
  ['2027-01-01T00:00:00Z', 'ok', "within the dates of the server's certificate"],
  ['2028-01-01T00:00:00Z', 'warn', 'certificate ended 2027-12-01T00:00:00.000Z'],
])('%s beside a certificate: %s', (date, status, why) => {
  const finding = checkClock({ now: new Date(date), installed: undefined, look });
  expect(finding.status).toBe(status);
  expect(finding.summary).toContain(why);
});

test('a server that has shown nothing proves nothing', () => {
  const now = new Date('2027-01-01T00:00:00Z');
  const finding = checkClock({ now, installed: undefined, look: { error: 'ECONNREFUSED' } });
  expect(finding).toMatchObject({ status: 'ok', facts: { certificateFrom: null } });
});

test('a package from the future is a warning', () => {
  const installed = new Date('2027-01-01T00:00:00Z');
  const before = checkClock({ now: new Date('2026-12-31T00:00:00Z'), installed, look: undefined });
  expect(before).toMatchObject({ status: 'warn' });
  const after = checkClock({ now: new Date('2027-01-02T00:00:00Z'), installed, look: undefined });
  expect(after).toMatchObject({ status: 'ok' });
});

test('when the package was installed here', () => {
  expect(installedAt()?.getTime()).toBeLessThanOrEqual(Date.now());
});
