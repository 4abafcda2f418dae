// Tested by platform/test/cli/journal.test.ts

/** Takes what happened, as a name and members that can be JSON. */
export type Log = (
  level: 'info' | 'warn' | 'error',
  name: string,
  members: Readonly<Record<string, unknown>>,
) => void;
