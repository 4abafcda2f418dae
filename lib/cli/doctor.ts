// Tested by test/integration/doctor.test.ts
/** `iotkit-ota doctor`: checks whether updates can work on this machine. See docs/doctor.md. */
import { packageVersion } from './doctor/addon';
import { readArguments } from './doctor/arguments';
import { runChecks } from './doctor/checks';
import { asJson, asText, reportOf } from './doctor/report';
import { print } from './output';

/**
 * @returns the exit code: 0 nothing has failed, 1 something has
 * @throws UsageError
 */
export async function main(args: readonly string[]): Promise<number> {
  const given = readArguments(args);
  if (typeof given === 'number') return given;
  const report = reportOf(await runChecks(given), packageVersion(), given.strict);
  print(given.json ? asJson(report) : asText(report));
  return report.ok ? 0 : 1;
}
