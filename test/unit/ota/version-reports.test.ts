import { IotkitError } from '../../../lib/base/errors';
import { errorCodes } from '../../../lib/generated/error-codes';
import { VersionReports } from '../../../lib/ota/version-reports';

/** Reports over a connection that numbers them, or refuses them with `refusal`. */
function reportsOf() {
  const sent: Array<readonly [version: string, module: string]> = [];
  const state = { refusal: 0 };
  const reports = new VersionReports((version, module) => {
    if (state.refusal < 0) return state.refusal;
    return sent.push([version, module]);
  });
  return { reports, sent, state };
}

test('a report resolves when its own packet is acknowledged', async () => {
  const { reports, sent } = reportsOf();
  const [first, second] = [reports.report('1', ''), reports.report('2', 'MCU')];
  expect(sent).toEqual([
    ['1', ''],
    ['2', 'MCU'],
  ]);
  reports.settle(2, 0, '');
  await second;
  reports.settle(7, 0, '');
  reports.settle(1, errorCodes.ERR_CLOSED.errno, 'x');
  await expect(first).rejects.toMatchObject({ code: 'ERR_CLOSED', detail: 'x' });
  reports.settle(1, 0, '');
});

test('the last version of each module is known, from the moment it is reported', () => {
  const { reports, state } = reportsOf();
  expect(reports.current('')).toBeUndefined();
  for (const version of ['1', '2']) void reports.report(version, '');
  void reports.report('9', 'MCU');
  expect([reports.current(''), reports.current('MCU')]).toEqual(['2', '9']);
  state.refusal = errorCodes.ERR_QUEUE_FULL.errno;
  expect(() => reports.report('3', '')).toThrow(
    expect.objectContaining({ code: 'ERR_QUEUE_FULL' }),
  );
  expect(reports.current('')).toBe('2');
});

test('the end of the device ends all that wait', async () => {
  const { reports } = reportsOf();
  const waiting = [reports.report('1', ''), reports.report('1', 'MCU')];
  const closed = new IotkitError('ERR_CLOSED');
  reports.close(closed);
  for (const report of waiting) await expect(report).rejects.toBe(closed);
});

test('default and no name are one module, which is reported as it was called', () => {
  const { reports, sent } = reportsOf();
  void reports.report('1', 'default');
  expect([reports.current(''), reports.current('default')]).toEqual(['1', '1']);
  void reports.report('2', '');
  expect([reports.current(''), reports.current('default')]).toEqual(['2', '2']);
  expect(sent.map(([, module]) => module)).toEqual(['default', '']);
});
