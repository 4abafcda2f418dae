/** The check `clock`: whether this machine's time can be right. */
import { statSync } from 'node:fs';
import path from 'node:path';
import { packageRoot } from './addon';
import type { Look } from './certificate';
import { dayOf, type Finding, fail, ok, warn } from './finding';

/** When this check was written: no clock that is right says less. */
const WRITTEN = new Date('2026-11-01T00:00:00Z');
const PLAUSIBLE_YEARS = 30;
const YEAR_MS = 365.25 * 24 * 3600 * 1000;
const TOLERANCE_MS = 60_000;
const SET_IT =
  'Set the clock (NTP, or a clock with a battery) before TLS is used: certificates are judged by it.';

export interface ClockFacts {
  readonly now: Date;
  /** When the package was put on this disk, by the clock of that time; undefined: not known. */
  readonly installed: Date | undefined;
  /** What a server has shown; undefined: none was asked. */
  readonly look: Look | undefined;
}

/** When this package was written to this disk. (npm sets the other time of its files.) */
export function installedAt(): Date | undefined {
  return statSync(path.join(packageRoot, 'package.json'), { throwIfNoEntry: false })?.ctime;
}

export function checkClock({ now, installed, look }: ClockFacts): Finding {
  const shown = look !== undefined && 'from' in look ? look : undefined;
  const facts = {
    now: now.toISOString(),
    notBefore: WRITTEN.toISOString(),
    installed: installed?.toISOString() ?? null,
    certificateFrom: shown?.from.toISOString() ?? null,
    certificateTo: shown?.to.toISOString() ?? null,
  };
  const says = `it is ${facts.now}`;
  if (now < WRITTEN) {
    return fail(`${says}, but this software is of ${dayOf(WRITTEN)} or later`, SET_IT, facts);
  }
  if (now.getTime() > WRITTEN.getTime() + PLAUSIBLE_YEARS * YEAR_MS) {
    return fail(`${says}, which is more than ${PLAUSIBLE_YEARS} years ahead`, SET_IT, facts);
  }
  if (shown !== undefined && now < shown.from) {
    return fail(`${says}, but the server's certificate begins ${facts.certificateFrom}`, SET_IT, {
      ...facts,
    });
  }
  if (shown !== undefined && now > shown.to) {
    const summary = `${says}, but the server's certificate ended ${facts.certificateTo}`;
    return warn(summary, 'If the certificate was renewed, this clock is ahead: set it.', facts);
  }
  if (installed !== undefined && installed.getTime() > now.getTime() + TOLERANCE_MS) {
    const summary = `${says}, but the package was installed ${facts.installed}`;
    return warn(summary, 'The clock has gone back, or was ahead then. See that it is set.', facts);
  }
  const within = shown === undefined ? '' : ", within the dates of the server's certificate";
  return ok(`${says}${within}`, facts);
}
