/** A run of the checks as text for people and as JSON for programs. */
import { jsonOf } from '../output';
import { printable } from '../printable';
import type { Check } from './checks';
import type { Status } from './finding';

export interface Report {
  /** Of this form; a change that could break a reader raises it. */
  readonly schema: 1;
  /** Of the package. */
  readonly version: string;
  /** When it was made, by this machine's clock. */
  readonly time: string;
  /** Whether the exit code is 0. */
  readonly ok: boolean;
  readonly counts: Readonly<Record<Status, number>>;
  readonly checks: readonly Check[];
}

/** @param strict warnings count as failures */
export function reportOf(checks: readonly Check[], version: string, strict: boolean): Report {
  const count = (status: Status): number => checks.filter((it) => it.status === status).length;
  const counts = { ok: count('ok'), warn: count('warn'), fail: count('fail'), skip: count('skip') };
  const isOk = counts.fail === 0 && !(strict && counts.warn > 0);
  return { schema: 1, version, time: new Date().toISOString(), ok: isOk, counts, checks };
}

/** `remedy` is null where there is none. */
export function asJson(report: Report): string {
  const checks = report.checks.map(({ id, status, summary, remedy, facts }) => ({
    ...{ id, status, summary },
    remedy: remedy ?? null,
    facts,
  }));
  return jsonOf({ ...report, checks }, 2);
}

export function asText({ version, counts, checks }: Report): string {
  const lines = checks.flatMap(({ id, status, summary, remedy }) => [
    `${status.padEnd(4)}  ${id.padEnd(11)}  ${indented(summary)}`,
    ...(remedy === undefined ? [] : [`${' '.repeat(19)}-> ${indented(remedy)}`]),
  ]);
  const sum = Object.entries(counts).map(([status, count]) => `${count} ${status}`);
  return [`iotkit-ota ${version}`, '', ...lines, '', sum.join(', ')].join('\n');
}

/** Names in certificates, paths and variables may hold anything, and a terminal obeys some of it. */
function indented(text: string): string {
  return printable(text.trimEnd().replace(/\r?\n\s*/g, `\n${' '.repeat(22)}`));
}
