/** What a check has found, and how long it may take. */

/**
 * `ok`: as it should be; `warn`: works, with a reserve; `fail`: updates cannot work so; `skip`: not
 * looked at, because nobody asked or something else failed first.
 */
export type Status = 'ok' | 'warn' | 'fail' | 'skip';

export type Fact = string | number | boolean | null | readonly Fact[] | Facts;
export interface Facts {
  readonly [name: string]: Fact;
}

export interface Finding {
  readonly status: Status;
  /** What is so, in one sentence. */
  readonly summary: string;
  /** What to do about it; undefined: nothing. */
  readonly remedy: string | undefined;
  /** The same for programs; docs/doctor.md describes the facts of each check. */
  readonly facts: Facts;
}

export const ok = (summary: string, facts: Facts = {}, remedy?: string): Finding => ({
  status: 'ok',
  summary,
  remedy,
  facts,
});

export const warn = (summary: string, remedy: string, facts: Facts = {}): Finding => ({
  status: 'warn',
  summary,
  remedy,
  facts,
});

export const fail = (summary: string, remedy: string, facts: Facts = {}): Finding => ({
  status: 'fail',
  summary,
  remedy,
  facts,
});

export const skip = (summary: string, facts: Facts = {}): Finding => ({
  status: 'skip',
  summary,
  remedy: undefined,
  facts,
});

/** What `work` resolves with, or `late` after so many milliseconds; a late rejection is dropped. */
export async function within<T, L>(ms: number, work: Promise<T>, late: () => L): Promise<T | L> {
  let timer: NodeJS.Timeout | undefined;
  const end = new Promise<L>((resolve) => {
    timer = setTimeout(() => resolve(late()), ms);
  });
  try {
    return await Promise.race([work, end]);
  } finally {
    clearTimeout(timer);
  }
}

/** A date as people and programs read it: `2028-01-28`. */
export const dayOf = (date: Date): string => date.toISOString().slice(0, 10);

/** The message of whatever was thrown, of this or another realm. */
export function messageOf(error: unknown): string {
  const message = propertyOf(error, 'message');
  return typeof message === 'string' ? message : String(error);
}

/** The `code` of whatever was thrown; undefined: it has none. */
export function codeOf(error: unknown): string | undefined {
  const code = propertyOf(error, 'code');
  return typeof code === 'string' ? code : undefined;
}

/** A property of whatever was thrown. */
export function propertyOf(error: unknown, name: string): unknown {
  return typeof error === 'object' && error !== null ? Reflect.get(error, name) : undefined;
}
