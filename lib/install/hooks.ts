// Tested by test/unit/install/agent.test.ts
/** Hooks: what a program or a script is asked, or may do, before and after a step of an update. */
import { options as checkOptions, integer, optional, orElse, wrongType } from '../base/arguments';
import { IotkitError } from '../base/errors';
import { abortable } from '../base/signals';
import { failureOf, run } from './child';
import { checkArgv } from './health';

/** What a hook is given. A command finds it in its environment. */
export interface HookContext {
  /** Which hook it is: `IOTKIT_HOOK`. */
  readonly hook: HookName;
  /** `''`: the default module. `IOTKIT_MODULE`. */
  readonly module: string;
  /** The version it is updated to: `IOTKIT_VERSION`. */
  readonly version: string;
  /** The version that ran before, `''`: not known. `IOTKIT_FROM`. */
  readonly from: string;
  /** Bytes of the image: `IOTKIT_SIZE`. */
  readonly size: number;
  /** Why it has come to nothing, for `afterFailure`; else `''`. `IOTKIT_REASON`. */
  readonly reason: string;
  /** Ends when the agent does, or when another upgrade takes the place of this one. */
  readonly signal: AbortSignal;
}

/** A program that is a hook. */
export interface HookCommand {
  /** The program, looked up in `PATH`, and its arguments; no shell. */
  readonly argv: readonly string[];
  /** Milliseconds, then its process group is ended, and the hook has failed. Default 60,000. */
  readonly timeoutMs?: number | undefined;
}

/**
 * A command or a function. Before a step it decides: exit code 0, or anything that the function
 * returns, goes on; 75 (`EX_TEMPFAIL`), or `false`, is "not now": it is asked again after `retryMs`;
 * another exit code, or what the function throws, ends the update as failed, with the last words of
 * the command or the message of the error for the platform.
 */
export type Hook = HookCommand | ((context: HookContext) => unknown);

/** The hooks, all of them optional. */
export interface Hooks {
  /** Before an image is downloaded: is there room, is the connection one that may be used? */
  readonly beforeDownload?: Hook | undefined;
  /** Before it is installed: is the battery full enough? */
  readonly beforeInstall?: Hook | undefined;
  /** Before the restart into the new version. */
  readonly beforeRestart?: Hook | undefined;
  /** After the new version was confirmed. What goes wrong in it is an `error` event, and no more. */
  readonly afterConfirm?: Hook | undefined;
  /** After an update has failed or was rolled back. Likewise. */
  readonly afterFailure?: Hook | undefined;
  /** Milliseconds after which a hook that said "not now" is asked again. Default 60,000. */
  readonly retryMs?: number | undefined;
}

/** The name of a hook. */
export type HookName = Exclude<keyof Hooks, 'retryMs'>;

/** @internal */
export interface CheckedHooks extends Partial<Record<HookName, Hook | undefined>> {
  readonly retryMs: number;
}

const names = [
  'beforeDownload',
  'beforeInstall',
  'beforeRestart',
  'afterConfirm',
  'afterFailure',
] as const satisfies readonly HookName[];
const DAY_MS = 86_400_000;
const TIMEOUT_MS = 60_000;
const NOT_NOW = 75;

/** @internal Throws an `InvalidArgument` that names the option. */
export function checkHooks(given: Hooks | undefined): CheckedHooks {
  const options = checkOptions('hooks', given, [...names, 'retryMs']);
  const checked = names.map((name) => [name, optional(options[name], (it) => checkOne(name, it))]);
  const retryMs = integer('hooks.retryMs', orElse(options.retryMs, 60_000), {
    min: 1,
    max: DAY_MS,
  });
  return { ...Object.fromEntries(checked), retryMs };
}

function checkOne(hook: HookName, given: Hook): Hook {
  const name = `hooks.${hook}`;
  if (typeof given === 'function') return given;
  if (typeof given !== 'object' || given === null) {
    throw wrongType(name, 'a function or { argv }', given);
  }
  const { argv, timeoutMs } = checkOptions<HookCommand>(name, given, ['argv', 'timeoutMs']);
  return {
    argv: checkArgv(`${name}.argv`, argv),
    timeoutMs: optional(timeoutMs, (ms) =>
      integer(`${name}.timeoutMs`, ms, { min: 1, max: DAY_MS }),
    ),
  };
}

/**
 * @internal Asks a hook once.
 *
 * @returns whether it goes on; false: not now
 * @throws IotkitError ERR_HOOK (a command refused, cannot run or ran too long); what the function throws; the
 *   signal's reason
 */
export async function ask(hook: Hook, context: HookContext): Promise<boolean> {
  if (typeof hook === 'function') {
    const answer = (async () => hook(context))();
    return (await abortable(answer, context.signal)) !== false;
  }
  const { argv, timeoutMs = TIMEOUT_MS } = hook;
  const { signal, ...given } = context;
  const result = await run({ argv, timeoutMs, signal, env: environmentOf(given) }).catch(
    (cause) => {
      // Its code and sentence are those of an installer.
      if (!IotkitError.is(cause) || signal.aborted) throw cause;
      throw new IotkitError('ERR_HOOK', `${given.hook}: ${cause.detail}`, { cause });
    },
  );
  if (result.code === 0) return true;
  if (result.code === NOT_NOW) return false;
  throw new IotkitError('ERR_HOOK', `${given.hook}: ${failureOf(argv, result)}`);
}

function environmentOf(context: Omit<HookContext, 'signal'>): Record<string, string> {
  return {
    IOTKIT_HOOK: context.hook,
    IOTKIT_MODULE: context.module,
    IOTKIT_VERSION: context.version,
    IOTKIT_FROM: context.from,
    IOTKIT_SIZE: String(context.size),
    IOTKIT_REASON: context.reason,
  };
}
