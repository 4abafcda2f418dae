// Tested by test/integration/doctor.test.ts
/** `iotkit-ota doctor`: checks whether updates can work on this machine. See docs/doctor.md. */
import { packageVersion } from './doctor/addon';
import { type Arguments, readArguments, UsageError, usage } from './doctor/arguments';
import { runChecks } from './doctor/checks';
import { asJson, asText, reportOf } from './doctor/report';
import { failureJson } from './exit-codes';

/** @returns the exit code: 0 nothing has failed, 1 something has, 2 wrong usage */
export async function main(args: readonly string[]): Promise<number> {
  let given: Arguments | undefined;
  try {
    given = readArguments(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    if (args.includes('--json')) console.log(failureJson(error));
    else console.error(`iotkit-ota doctor: ${error.message}\nSee iotkit-ota doctor --help.`);
    return 2;
  }
  if (given === undefined) {
    console.log(usage);
    return 0;
  }
  const report = reportOf(await runChecks(given), packageVersion(), given.strict);
  console.log(given.json ? asJson(report) : asText(report));
  return report.ok ? 0 : 1;
}
