import { type ErrorCode, IotkitError } from '../../../lib/base/errors';
import { failureStep, failureText, ProgressReporter } from '../../../lib/download/reporter';
import { errorCodes } from '../../../lib/generated/error-codes';

function reporterOf(size: number, upTo?: number) {
  const sent: Array<readonly [step: number, must: boolean]> = [];
  const reporter = new ProgressReporter(size, (step, _desc, must) => sent.push([step, must]), upTo);
  return { reporter, sent, steps: () => sent.map(([step]) => step) };
}

describe('ProgressReporter', () => {
  test('0 and 100 must be sent, each percentage once between them', () => {
    const { reporter, sent } = reporterOf(1_000);
    reporter.start();
    for (const received of [1, 9, 10, 19, 25, 999]) reporter.update(received);
    reporter.succeed();
    expect(sent).toEqual([
      [0, true],
      [1, false],
      [2, false],
      [99, false],
      [100, true],
    ]);
  });

  test('percentages never go back, and 100 is for success alone', () => {
    const { reporter, steps } = reporterOf(1_000);
    reporter.start();
    for (const received of [500, 200, 509, 510, 1_000]) reporter.update(received);
    expect(steps()).toEqual([0, 50, 51]);
  });

  test('what was there of an earlier download comes after the 0', () => {
    const { reporter, steps } = reporterOf(1_000);
    reporter.start();
    reporter.update(400);
    expect(steps()).toEqual([0, 40]);
  });

  test('the download is a share of the whole', () => {
    const { reporter, steps } = reporterOf(1_000, 60);
    reporter.start();
    for (const received of [16, 17, 500, 999, 1_000]) reporter.update(received);
    reporter.succeed();
    expect(steps()).toEqual([0, 1, 30, 59, 60]);
    const least = reporterOf(1_000, 1);
    least.reporter.start();
    for (const received of [500, 1_000]) least.reporter.update(received);
    least.reporter.succeed();
    expect(least.steps()).toEqual([0, 1]);
  });

  test('an image without bytes has no percentages', () => {
    const { reporter, steps } = reporterOf(0);
    reporter.start();
    reporter.update(0);
    reporter.succeed();
    expect(steps()).toEqual([0, 100]);
  });

  test('a failure must be sent, with its code and what happened, cut', () => {
    const sent: unknown[] = [];
    const reporter = new ProgressReporter(10, (...step) => sent.push(step));
    reporter.fail(new IotkitError('ERR_DIGEST_MISMATCH', 'x'.repeat(2_000)));
    reporter.fail(new Error('of the user'));
    reporter.fail(new Error('of the user'), -4);
    expect(sent).toEqual([
      [-3, expect.stringMatching(/^ERR_DIGEST_MISMATCH: .{200,240}$/), true],
      [-1, 'upgrade failed', true],
      [-4, 'upgrade failed', true],
    ]);
  });
});

describe('the step of a failure', () => {
  // -1 upgrade, -2 download, -3 verification, -4 writing: each error that can end a download.
  const table: Readonly<Record<string, readonly ErrorCode[]>> = {
    '-1': [
      'ERR_NO_MEMORY',
      'ERR_THREAD',
      'ERR_INTERNAL',
      'ERR_NOTICE_FIELD',
      'ERR_VERSION_REFUSED',
      'ERR_PUBLIC_KEY',
    ],
    '-2': [
      'ERR_TIMEOUT',
      'ERR_TOO_LONG',
      'ERR_RESOLVE',
      'ERR_CONNECTION_RESET',
      'ERR_IDLE_TIMEOUT',
      'ERR_TOO_SLOW',
      'ERR_NOT_CONNECTED',
      'ERR_TLS_CERTIFICATE',
      'ERR_TLS_REQUIRED',
      'ERR_MQTT_PROTOCOL',
      'ERR_HTTP_STATUS',
      'ERR_URL_EXPIRED',
      'ERR_HOST_NOT_ALLOWED',
      'ERR_PROXY',
      'ERR_PROXY_REFUSED',
      'ERR_TRUNCATED',
      'ERR_CHANGED',
      'ERR_BLOCK',
    ],
    '-3': [
      'ERR_SIZE_MISMATCH',
      'ERR_DIGEST_MISMATCH',
      'ERR_SIGNATURE',
      'ERR_SIGNATURE_MISSING',
      'ERR_DIGEST_METHOD',
      'ERR_DELTA_FORMAT',
      'ERR_DELTA_RESULT',
    ],
    '-4': ['ERR_FILE', 'ERR_NO_SPACE', 'ERR_FILE_ACCESS', 'ERR_FILE_NOT_FOUND', 'ERR_FILE_LOCKED'],
  };
  const rows = Object.entries(table).flatMap(([step, codes]) =>
    codes.map((code) => [code, Number(step)] as const),
  );

  test.each(rows)('%s is step %i', (code, step) => {
    expect(failureStep(new IotkitError(code))).toBe(step);
  });

  test('every error has one', () => {
    for (const code of Object.keys(errorCodes) as ErrorCode[]) {
      expect([-1, -2, -3, -4]).toContain(failureStep(new IotkitError(code)));
    }
  });

  test('what is no error of ours is -1', () => {
    expect(failureStep(new TypeError('x'))).toBe(-1);
  });
});

test('a target that is refused is named to the platform', () => {
  const refusal = Object.assign(new TypeError('/tmp: is a directory'), {
    code: 'ERR_INVALID_ARGUMENT',
  });
  expect(failureText(refusal)).toBe('ERR_INVALID_ARGUMENT: /tmp: is a directory');
  expect(failureText(new TypeError('a bug of the program'))).toBe('upgrade failed');
});
