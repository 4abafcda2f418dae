import { writeFiles } from '../../../lib/download/files';
import { UpgradeStates } from '../../../lib/download/state';
import { checkTargets } from '../../../lib/download/targets';
import { errorCodes } from '../../../lib/generated/error-codes';
import { FakeJob, runOf } from '../support';

function begin() {
  const job = new FakeJob();
  const run = runOf(job.info.size);
  const { native: targets } = checkTargets('/a');
  const options = { resume: true, share: true, signatures: [undefined] };
  return { job, run, targets, options };
}

test('the addon gets targets and options, and its end is that of the run', async () => {
  const { job, run, targets, options } = begin();
  const done = writeFiles(job, run, targets, options);
  const [download] = job.files;
  expect(download).toMatchObject({ targets, options });
  download?.onProgress(5, 5);
  run.pause(true);
  expect(download?.pauses).toEqual([true]);
  download?.onPhase('retrying', 1, errorCodes.ERR_CONNECT.errno, 'x', 0);
  expect(run.retrying).toMatchObject({ attempt: 1, error: { code: 'ERR_CONNECT', detail: 'x' } });
  download?.onEnd(0, '');
  await Promise.all([done, run.outcome]);
});

test.each<[number | undefined, { readonly sharedAs?: string }]>([
  [undefined, {}],
  [0, {}],
  [1, { sharedAs: 'copied' }],
  [2, { sharedAs: 'cloned' }],
  [3, { sharedAs: 'linked' }],
])('how the files were made (%s) is part of the last state', async (made, expected) => {
  const job = new FakeJob();
  const states = new UpgradeStates();
  const run = runOf(job.info.size, { states });
  const { native: targets } = checkTargets('/a');
  const options = { resume: true, share: 'link', signatures: [undefined] } as const;
  const done = writeFiles(job, run, targets, options);
  job.files[0]?.onEnd(0, '', made);
  await done;
  expect(states.current).toEqual({ phase: 'done', ...expected });
  expect(run.sharedAs).toBe(expected.sharedAs);
});

test('a failure of the addon is thrown, and so is the reason of who cancels', async () => {
  const failed = begin();
  const failure = writeFiles(failed.job, failed.run, failed.targets, failed.options);
  failed.job.files[0]?.onEnd(errorCodes.ERR_NO_SPACE.errno, '/a');
  await expect(failure).rejects.toMatchObject({ code: 'ERR_NO_SPACE', detail: '/a' });
  const cancelled = begin();
  const cancelling = writeFiles(cancelled.job, cancelled.run, cancelled.targets, cancelled.options);
  cancelled.run.cancel('enough');
  await expect(cancelling).rejects.toBe('enough');
  expect(cancelled.job.files[0]?.aborts).toBe(1);
});

test('a download that does not even begin fails the run', async () => {
  const { job, run, targets, options } = begin();
  const { errno } = errorCodes.ERR_NO_MEMORY;
  Object.assign(job, { download: () => ({ errno, detail: '' }) });
  await expect(writeFiles(job, run, targets, options)).rejects.toMatchObject({ errno });
  await expect(run.outcome).rejects.toMatchObject({ code: 'ERR_NO_MEMORY' });
});
