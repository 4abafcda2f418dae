/** An installer that is a script of the user's: one call for each method, by a documented protocol. */
import {
  options as checkOptions,
  flag,
  integer,
  oneOf,
  orElse,
  wrongType,
} from '../../base/arguments';
import { type ErrorCode, IotkitError } from '../../base/errors';
import { failureOf, type RunOptions, type RunResult, run } from '../child';
import { excerpt } from '../excerpt';
import { checkArgv } from '../health';
import type {
  Installed,
  Installer,
  InstallerAbilities,
  InstallerStatus,
  InstallImage,
  InstallOptions,
  RestartOptions,
  Slot,
} from '../installer';
import { provenBytesOf } from './proven-bytes';

/** What {@link commandInstaller} takes. */
export interface CommandInstallerOptions extends Partial<InstallerAbilities> {
  /** The program, looked up in `PATH`, and its arguments; no shell. */
  readonly argv: readonly string[];
  /** What it has in its environment besides that of this process and `IOTKIT_…`. */
  readonly env?: Readonly<Record<string, string>> | undefined;
  /**
   * How it gets the image: `'stream'` on its standard input, `'file'` as a path. Default `'file'`.
   */
  readonly takes?: 'file' | 'stream';
  /** Whether `install` activates too. Default false. */
  readonly activates?: boolean;
  /** What `reboot` restarts. Default `'machine'`. */
  readonly restarts?: 'machine' | 'service';
  /** Whether a slot that never comes up is left by itself. Default false. */
  readonly fallsBack?: boolean;
  /** Milliseconds that `install` may take. Default 3,600,000. */
  readonly installTimeoutMs?: number | undefined;
  /** Milliseconds that the others may take each. Default 60,000. */
  readonly timeoutMs?: number | undefined;
}

const DAY_MS = 86_400_000;
const keys = [
  'argv',
  'env',
  'takes',
  'activates',
  'restarts',
  'fallsBack',
  'installTimeoutMs',
  'timeoutMs',
] as const;

/** By exit code, as sysexits.h names them. */
const codes: ReadonlyMap<number | null, ErrorCode> = new Map([
  [65, 'ERR_INSTALL_REFUSED'],
  [69, 'ERR_INSTALL_UNAVAILABLE'],
  [73, 'ERR_NO_SPACE'],
  [75, 'ERR_INSTALL_BUSY'],
  [78, 'ERR_INSTALL_SETUP'],
]);

/**
 * An installer that is a script. It is called once for each method of {@link Installer}, with this
 * environment, and with nothing on its standard input but what is said:
 *
 * | `IOTKIT_ACTION` | besides | standard output |
 * |---|---|---|
 * | `status` | | `{"booted": "A", "next": "A", "slots": [{"name": "A", "state": "good"}, …]}` |
 * | `install` | `IOTKIT_IMAGE`, and what follows | lines `{"progress": 0.5, "step": "…"}`, then `{"slot": "B"}` |
 * | `activate`, `mark-bad` | `IOTKIT_SLOT` | |
 * | `mark-good`, `reboot` | | |
 *
 * `IOTKIT_IMAGE` is the path of the image, or `-`: it comes on standard input. With it come
 * `IOTKIT_VERSION`, `IOTKIT_MODULE`, `IOTKIT_SIZE`, `IOTKIT_DIGEST_METHOD` and `IOTKIT_DIGEST`. The
 * end of its input is no proof of the whole image, because an agent that is killed leaves it with a
 * part: it has to compare the digest before a slot counts as whole.
 *
 * Each JSON object is a line; other lines are taken for its words, the last of which are shown
 * where it fails. Exit code 0 is success, 65 (`EX_DATAERR`) an image that is refused, 69
 * (`EX_UNAVAILABLE`) something missing, 73 (`EX_CANTCREAT`) a full disk, 75 (`EX_TEMPFAIL`) "busy,
 * try again", 78 (`EX_CONFIG`) a wrong set-up, and others any other failure. What each action has
 * to do, and may find after a power cut, is what {@link Installer} says.
 *
 * @throws `InvalidArgument` of `iotkit-ota`
 *
 * @example
 * const installer = commandInstaller({ argv: ['/usr/libexec/my-installer'], takes: 'stream', fallsBack: true });
 */
export function commandInstaller(options: CommandInstallerOptions): Installer {
  return new CommandInstaller(options);
}

class CommandInstaller implements Installer {
  readonly kind = 'command';
  readonly takes: 'file' | 'stream';
  readonly activates: boolean;
  readonly restarts: 'machine' | 'service';
  readonly fallsBack: boolean;
  readonly #argv: readonly string[];
  readonly #env: Readonly<Record<string, string>>;
  readonly #timeoutMs: number;
  readonly #installTimeoutMs: number;

  constructor(given: CommandInstallerOptions) {
    const options = checkOptions('options', given, keys);
    const ms = (name: 'timeoutMs' | 'installTimeoutMs', otherwise: number): number =>
      integer(name, orElse(options[name], otherwise), { min: 1, max: DAY_MS });
    this.#argv = checkArgv('argv', options.argv);
    this.#env = checkEnv(options.env);
    this.takes = oneOf('takes', orElse(options.takes, 'file'), ['file', 'stream']);
    this.activates = flag('activates', orElse(options.activates, false));
    this.restarts = oneOf('restarts', orElse(options.restarts, 'machine'), ['machine', 'service']);
    this.fallsBack = flag('fallsBack', orElse(options.fallsBack, false));
    this.#timeoutMs = ms('timeoutMs', 60_000);
    this.#installTimeoutMs = ms('installTimeoutMs', 3_600_000);
  }

  async status({
    signal,
  }: {
    readonly signal?: AbortSignal | undefined;
  } = {}): Promise<InstallerStatus> {
    let status: Said | undefined;
    await this.#call(
      'status',
      {},
      {
        signal,
        onLine: answers((said) => {
          status = said;
        }),
      },
    );
    if (isStatus(status)) return status;
    throw this.#wrongAnswer('status', statusLine, status);
  }

  async install(
    image: InstallImage,
    { signal, onProgress }: InstallOptions = {},
  ): Promise<Installed> {
    const { version, module, size, digest, path } = image;
    const env = {
      IOTKIT_VERSION: version,
      IOTKIT_MODULE: module,
      IOTKIT_SIZE: String(size),
      IOTKIT_DIGEST_METHOD: digest?.method ?? '',
      IOTKIT_DIGEST: digest?.value ?? '',
      IOTKIT_IMAGE: this.takes === 'stream' ? '-' : (path ?? ''),
    };
    let fraction = 0;
    let slot: string | undefined;
    const onLine = answers((said) => {
      if (typeof said.slot === 'string') slot = said.slot;
      if (typeof said.progress !== 'number') return;
      fraction = Math.max(fraction, Math.min(1, said.progress));
      onProgress?.({ fraction, step: typeof said.step === 'string' ? said.step : '' });
    });
    const stdin = this.takes === 'stream' ? provenBytesOf(image) : undefined;
    const timeoutMs = this.#installTimeoutMs;
    await this.#call('install', env, { signal, stdin, timeoutMs, onLine });
    if (slot !== undefined && slot !== '') return { slot };
    throw this.#wrongAnswer('install', '{"slot": "B"}');
  }

  async activate(slot: string): Promise<void> {
    await this.#call('activate', { IOTKIT_SLOT: slot });
  }

  async markGood(): Promise<void> {
    await this.#call('mark-good');
  }

  async markBad(slot: string): Promise<void> {
    await this.#call('mark-bad', { IOTKIT_SLOT: slot });
  }

  async reboot({ signal }: RestartOptions = {}): Promise<void> {
    await this.#call('reboot', {}, { signal });
  }

  async #call(
    action: string,
    env: Readonly<Record<string, string>> = {},
    options: Partial<RunOptions> = {},
  ): Promise<RunResult> {
    const result = await run({
      argv: this.#argv,
      timeoutMs: this.#timeoutMs,
      ...options,
      env: { ...this.#env, ...env, IOTKIT_ACTION: action },
    });
    if (result.code === 0) return result;
    const detail = `${action}: ${failureOf(this.#argv, result)}`;
    throw new IotkitError(codes.get(result.code) ?? 'ERR_INSTALL_FAILED', detail);
  }

  #wrongAnswer(action: string, expected: string, found?: unknown): IotkitError {
    const detail = `${this.#argv[0]} ${action} must write a line ${expected}`;
    const instead = found === undefined ? '' : `, not ${excerpt(JSON.stringify(found), 200, 150)}`;
    return new IotkitError('ERR_INSTALL_SETUP', `${detail}${instead}`);
  }
}

function checkEnv(env: CommandInstallerOptions['env']): Readonly<Record<string, string>> {
  if (env === undefined) return {};
  if (typeof env !== 'object' || env === null) throw wrongType('env', 'an object of strings', env);
  for (const [name, value] of Object.entries(env)) {
    if (typeof value !== 'string') throw wrongType(`env.${name}`, 'a string', value);
  }
  return { ...env };
}

type Said = Readonly<Record<string, unknown>>;

/** Takes the lines of its standard output that are JSON objects; what is on the other one is words. */
function answers(take: (said: Said) => void): NonNullable<RunOptions['onLine']> {
  return (line, from) => {
    if (from !== 'stdout' || !line.startsWith('{')) return;
    let said: Said;
    try {
      said = JSON.parse(line);
    } catch {
      return;
    }
    take(said);
  };
}

const states = ['good', 'trial', 'bad', 'unknown'];
const statusLine =
  '{"booted": "A", "next": "A", "slots": [{"name": "A", "state": "good"}, …]} ' +
  `(a state is ${states.join(', ')})`;

function isStatus(value: unknown): value is InstallerStatus {
  const { booted, next, slots } = Object(value) as Partial<InstallerStatus>;
  const hasNames = typeof booted === 'string' && typeof next === 'string';
  return hasNames && Array.isArray(slots) && slots.every(isSlot);
}

function isSlot(value: unknown): value is Slot {
  const { name, state } = Object(value) as Partial<Slot>;
  return typeof name === 'string' && states.includes(state as string);
}
