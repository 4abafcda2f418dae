import { IotkitError } from '../../../lib/base/errors';
import { ClockWatch, type WrongClock } from '../../../lib/time/clock-watch';

function watch() {
  const told: WrongClock[] = [];
  const clock = new ClockWatch((wrong) => told.push(wrong));
  const measured = (offset: number, uncertainty = 5) =>
    clock.measured({ time: 0, at: 0, offset, uncertainty });
  return { told, clock, measured };
}

test.each([
  [60_005, 5, 0],
  [60_006, 5, 1],
  [-60_005, 5, 0],
  [-60_006, 5, 1],
  [90_000, 40_000, 0],
  [0, 5, 0],
])('an offset of %d ms, known to %d, is told %d times', (offset, uncertainty, times) => {
  const { told, measured } = watch();
  measured(offset, uncertainty);
  expect(told).toHaveLength(times);
});

test('it is told once for each connection', () => {
  const { told, clock, measured } = watch();
  measured(3_600_000);
  measured(3_600_000);
  clock.failed(new IotkitError('ERR_TLS_NOT_YET_VALID'));
  expect(told).toEqual([{ offset: 3_600_000, uncertainty: 5, error: undefined }]);
  clock.connected();
  measured(-70_000);
  expect(told).toHaveLength(2);
});

test('a certificate that is not valid yet says so too, and no other error does', () => {
  const { told, clock } = watch();
  clock.failed(undefined);
  clock.failed(new Error('ERR_TLS_NOT_YET_VALID'));
  clock.failed(new IotkitError('ERR_TLS_EXPIRED'));
  expect(told).toEqual([]);
  const error = new IotkitError('ERR_TLS_NOT_YET_VALID');
  clock.failed(error);
  expect(told).toEqual([{ offset: undefined, uncertainty: undefined, error }]);
});
