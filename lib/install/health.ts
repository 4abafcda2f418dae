/** Whether what runs is healthy: checks that have to hold for a while before a slot is confirmed. */
import {
  options as checkOptions,
  conflict,
  integer,
  optional,
  orElse,
  text,
  wrongType,
} from '../base/arguments';
import { abortable, throwIfAborted, whenAborted } from '../base/signals';
import { failureOf, run } from './child';
import type { Clock } from './clock';

/** A program that ends with 0 where all is well. */
export interface HealthCommand {
  /** The program, looked up in `PATH`, and its arguments; no shell. */
  readonly argv: readonly string[];
  /** Milliseconds, then its process group is ended, and it counts as a failure. Default 30,000. */
  readonly timeoutMs?: number | undefined;
}

/** An address that answers with a status of 200-299 where all is well. */
export interface HealthUrl {
  /** `http:` or `https:`, without a user. What follows the path is never shown. */
  readonly url: string;
  /** Milliseconds, then it counts as a failure. Default 10,000. */
  readonly timeoutMs?: number | undefined;
}

/**
 * One thing that has to be so:
 *
 * - `'connected'`: the device is connected to the platform
 * - `'called'`: the program has called `healthy()` of the agent
 * - a function that returns, or resolves with, anything but `false`; what it throws is the reason,
 *   and one that does not end within `withinMs` is a failure: its signal aborts
 * - a command, an address
 */
export type HealthCheck =
  | 'connected'
  | 'called'
  | HealthCommand
  | HealthUrl
  | ((signal: AbortSignal) => unknown);

/** What has to hold, and for how long. */
export interface HealthOptions {
  /** All of them have to hold; at least one. Default `['connected']`. */
  readonly checks?: readonly HealthCheck[] | undefined;
  /** For so many milliseconds without an interruption. Default 30,000. */
  readonly holdMs?: number | undefined;
  /** Milliseconds after which a trial that does not hold is rolled back. Default 600,000. */
  readonly withinMs?: number | undefined;
  /** Milliseconds between two rounds of checks. Default 5,000. */
  readonly everyMs?: number | undefined;
}

/** @internal What the agent says to the checks that it answers itself. */
export interface Vitals {
  isConnected(): boolean;
  /** What the program has said; undefined: nothing yet. */
  said(): Said | undefined;
}

/** @internal What a program says of itself. */
export interface Said {
  readonly healthy: boolean;
  readonly reason: string;
}

/** @internal */
export interface CheckedHealth {
  readonly checks: readonly HealthCheck[];
  readonly holdMs: number;
  readonly withinMs: number;
  readonly everyMs: number;
}

const DAY_MS = 86_400_000;
const COMMAND_MS = 30_000;
const URL_MS = 10_000;

/** @internal Throws an `InvalidArgument` that names the option. */
export function checkHealth(given: HealthOptions | undefined): CheckedHealth {
  const options = checkOptions('health', given, ['checks', 'holdMs', 'withinMs', 'everyMs']);
  const checks = orElse(options.checks, ['connected']);
  if (!Array.isArray(checks)) throw wrongType('health.checks', 'an array', checks);
  if (checks.length === 0) {
    throw conflict('health.checks must have at least one: nothing is confirmed without a check');
  }
  const ms = (name: 'holdMs' | 'withinMs' | 'everyMs', otherwise: number, min: number): number =>
    integer(`health.${name}`, orElse(options[name], otherwise), { min, max: DAY_MS });
  const health = {
    checks: checks.map((check, i) => checkOne(`health.checks[${i}]`, check)),
    holdMs: ms('holdMs', 30_000, 0),
    withinMs: ms('withinMs', 600_000, 1),
    everyMs: ms('everyMs', 5_000, 1),
  };
  if (health.withinMs > health.holdMs) return health;
  throw conflict('health.withinMs must be more than health.holdMs');
}

function checkOne(name: string, check: HealthCheck): HealthCheck {
  if (check === 'connected' || check === 'called' || typeof check === 'function') return check;
  if (typeof check === 'object' && check !== null && 'url' in check) {
    const { url, timeoutMs } = checkOptions<HealthUrl>(name, check, ['url', 'timeoutMs']);
    return {
      url: checkUrl(`${name}.url`, url),
      timeoutMs: optional(timeoutMs, (ms) =>
        integer(`${name}.timeoutMs`, ms, { min: 1, max: DAY_MS }),
      ),
    };
  }
  if (typeof check === 'object' && check !== null && 'argv' in check) {
    return checkCommand(name, check);
  }
  throw wrongType(name, "'connected', 'called', a function, { argv } or { url }", check);
}

function checkUrl(name: string, given: unknown): string {
  const pattern = /^https?:\/\/[^/?#@\s]+([/?#]|$)/;
  const expected = 'an http: or https: URL without a user';
  const url = text(name, given, { max: 2048, pattern, expected, secret: true });
  if (URL.canParse(url)) return url;
  throw conflict(`${name} must be ${expected}`);
}

/** @internal */
export function checkCommand<T extends HealthCommand>(name: string, given: T): HealthCommand {
  const { argv, timeoutMs } = checkOptions<HealthCommand>(name, given, ['argv', 'timeoutMs']);
  return {
    argv: checkArgv(`${name}.argv`, argv),
    timeoutMs: optional(timeoutMs, (ms) =>
      integer(`${name}.timeoutMs`, ms, { min: 1, max: DAY_MS }),
    ),
  };
}

/** @internal */
export function checkArgv(name: string, argv: unknown): readonly string[] {
  if (!Array.isArray(argv) || argv.length === 0) {
    throw wrongType(name, 'an array with a program and its arguments', argv);
  }
  return argv.map((word, i) => text(`${name}[${i}]`, word, { min: i === 0 ? 1 : 0, max: 131_072 }));
}

/**
 * @internal Awaits that all checks hold for `holdMs`.
 *
 * @returns why they did not within `withinMs`, or the program's word that they will not; undefined: they
 *   have held.
 * @throws the signal's reason
 */
export async function prove(
  { checks, holdMs, withinMs, everyMs }: CheckedHealth,
  vitals: Vitals,
  clock: Clock,
  signal: AbortSignal,
): Promise<string | undefined> {
  const begun = clock.elapsed();
  let since: number | undefined;
  for (;;) {
    const left = Math.max(1, withinMs - (clock.elapsed() - begun));
    const failure = await firstFailure(checks, vitals, left, signal);
    throwIfAborted(signal);
    const said = vitals.said();
    if (said?.healthy === false) return said.reason;
    const now = clock.elapsed();
    if (failure === undefined) since ??= now;
    else since = undefined;
    if (since !== undefined && now - since >= holdMs) return undefined;
    if (now - begun >= withinMs) return failure ?? `the checks did not hold for ${holdMs} ms`;
    const rest = since === undefined ? withinMs - (now - begun) : holdMs - (now - since);
    await clock.sleep(Math.max(1, Math.min(everyMs, rest)), signal);
  }
}

async function firstFailure(
  checks: readonly HealthCheck[],
  vitals: Vitals,
  withinMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  for (const check of checks) {
    const failure = await failureOfOne(check, vitals, withinMs, signal).catch((error: unknown) => {
      throwIfAborted(signal);
      return error instanceof Error ? error.message : String(error);
    });
    if (failure !== undefined) return failure;
  }
  return undefined;
}

async function failureOfOne(
  check: HealthCheck,
  vitals: Vitals,
  withinMs: number,
  signal: AbortSignal,
): Promise<string | undefined> {
  if (check === 'connected') {
    return vitals.isConnected() ? undefined : 'the device is not connected to the platform';
  }
  if (check === 'called') {
    return vitals.said()?.healthy ? undefined : 'the program has not called healthy()';
  }
  if (typeof check === 'function') {
    const late = `the check ${check.name} did not end within ${Math.round(withinMs)} ms`;
    const said = await inTime(async (ending) => check(ending), { withinMs, late, signal });
    return said === false ? `the check ${check.name} said false` : undefined;
  }
  return 'url' in check ? answerOf(check, signal) : exitOf(check, signal);
}

async function exitOf(
  { argv, timeoutMs = COMMAND_MS }: HealthCommand,
  signal: AbortSignal,
): Promise<string | undefined> {
  const result = await run({ argv, timeoutMs, signal });
  return result.code === 0 ? undefined : failureOf(argv, result);
}

async function answerOf(
  { url, timeoutMs = URL_MS }: HealthUrl,
  signal: AbortSignal,
): Promise<string | undefined> {
  // What follows may be a secret, and this goes to the platform and into logs.
  const { origin, pathname } = new URL(url);
  const name = origin + pathname;
  const late = 'no answer in time';
  try {
    const status = await inTime((ending) => statusOf(url, ending), {
      withinMs: timeoutMs,
      late,
      signal,
    });
    return status >= 200 && status < 300 ? undefined : `${name} answered ${status}`;
  } catch (error) {
    throwIfAborted(signal);
    const { cause, message } = error as Error & { readonly cause?: Error };
    return `${name}: ${message === late ? late : (cause?.message ?? 'no answer')}`;
  }
}

async function statusOf(url: string, signal: AbortSignal): Promise<number> {
  const answer = await fetch(url, { signal, redirect: 'manual' });
  await answer.body?.cancel();
  return answer.status;
}

interface InTime {
  readonly withinMs: number;
  /** What it is rejected with after that. */
  readonly late: string;
  readonly signal: AbortSignal;
}

/** Settles as `work`, or rejects when its time is up, whether that heeds its signal or not. */
async function inTime<T>(
  work: (signal: AbortSignal) => Promise<T>,
  { withinMs, late, signal }: InTime,
): Promise<T> {
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(new Error(late)), withinMs);
  const stop = whenAborted(signal, (reason) => ending.abort(reason));
  try {
    return await abortable(work(ending.signal), ending.signal);
  } finally {
    clearTimeout(timer);
    stop();
  }
}
