/** What a failed step means for the exit code; 0 is success, 1 is left to what nobody foresaw. */
export const exitCodes = {
  usage: 2,
  firmware: 3,
  platform: 4,
  connect: 5,
  notice: 6,
  download: 7,
  image: 8,
  outcome: 9,
  interrupted: 130,
} as const;

export type FailureKind = keyof typeof exitCodes;

/** A step that failed: which, why, and what to do about it. */
export class Failure extends Error {
  override readonly name = 'Failure';
  readonly kind: FailureKind;
  readonly advice: string;

  constructor(kind: FailureKind, message: string, advice: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
    this.advice = advice;
  }

  get exitCode(): number {
    return exitCodes[this.kind];
  }
}

/** One line about anything thrown, with its code where it has one. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const code = codeOf(error);
  return code === undefined || error.message.includes(code)
    ? error.message
    : `${error.message} (${code})`;
}

/** The stable code of an error of the package, the platform or Node.js. */
export function codeOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : undefined;
}
