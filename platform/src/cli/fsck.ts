// Tested by platform/test/cli.test.ts

import type { Command } from 'commander';
import { CliError } from './errors';
import { type CommonOptions, withStateDir } from './flags';
import { print, table } from './output';
import { toJson } from './printable';

/** `fsck` */
export function addFsck(program: Command): void {
  const description = 'look through the state directory of a platform that is stopped';
  withStateDir(program.command('fsck').description(description))
    .option('--json', 'print JSON')
    .action(fsck);
}

async function fsck(options: CommonOptions): Promise<void> {
  // Only this command and `serve` load the platform itself.
  const { checkState } = await import('../index.js');
  const report = await checkState(options.stateDir);
  print(options, report, () =>
    table([
      ['records', String(report.records)],
      ['files', String(report.files)],
      ...report.problems.map(({ what, name, reason }) => [what, toJson(name), reason]),
    ]),
  );
  const bad = report.problems.filter(({ what }) => what !== 'file').length;
  if (bad > 0) throw new CliError(`${bad} records or images are not as they should be`);
}
