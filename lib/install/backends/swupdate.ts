// Tested by test/peers/install/swupdate.test.ts.
/**
 * SWUpdate: the image, a signed .swu, is streamed through `swupdate-client` into the daemon, which
 * writes it into the slot that is not running. Which that is, the selection says ("software,mode"),
 * and what starts next says the boot environment: SWUpdate itself knows neither.
 */
import { stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { options as checkOptions, text } from '../../base/arguments';
import { IotkitError } from '../../base/errors';
import { throwIfAborted, whenAborted } from '../../base/signals';
import type { EnvironmentOption } from '../boot/options';
import type { BootedOption } from '../boot/slot-set';
import { failureOf, type RunResult, run } from '../child';
import type { Installer, InstallImage, InstallOptions } from '../installer';
import { assertProgram } from '../program';
import { type CheckedSlots, checkSlotOptions, checkTimeout } from './checks';
import { provenBytesOf } from './proven-bytes';
import { SlotInstaller } from './slot-installer';
import { daemonStatus, failuresOf, reasonOf } from './swupdate-status';

/** Options of {@link swupdateInstaller}. */
export interface SwupdateInstallerOptions {
  /**
   * The selection that writes each slot, by the names that the boot loader has for the slots, such as
   * `{ A: 'stable,copyA', B: 'stable,copyB' }`. The daemon has to allow them (`swupdate -q`).
   */
  readonly slots: Readonly<Record<string, string>>;
  /** Which boot loader chooses between the slots. */
  readonly environment: EnvironmentOption;
  /** Which of them this system runs from, as for {@link slotsInstaller}. */
  readonly booted?: BootedOption | undefined;
  /** The folder with the daemon's sockets, where it is not the one it was built with. */
  readonly socketDirectory?: string | undefined;
  /** How long an installation may take, milliseconds, 1,000-86,400,000. Default an hour. */
  readonly timeoutMs?: number | undefined;
  /** What restarts the machine. Default `systemctl reboot`, without systemd `reboot`. */
  readonly reboot?: readonly string[] | undefined;
}

const selection = {
  max: 255,
  pattern: /^[\w.-]+,[\w.-]+$/,
  expected: 'a selection "software,mode"',
} as const;

/**
 * Makes an installer that gives images (.swu) to a running SWUpdate. It takes them straight from the
 * download.
 *
 * Let the .swu leave the boot environment alone (no `bootenv`, and `swupdate -m -M`): what is
 * installed is activated by `activate()`, as a trial.
 *
 * @throws `InvalidArgument` that names the option
 * @example
 * swupdateInstaller({
 *   slots: { A: 'stable,copyA', B: 'stable,copyB' },
 *   environment: { loader: 'u-boot', scheme: 'bootcount' },
 * });
 */
export function swupdateInstaller(options: SwupdateInstallerOptions): Installer {
  const given = checkOptions<SwupdateInstallerOptions>('options', options, [
    'slots',
    'environment',
    'booted',
    'socketDirectory',
    'timeoutMs',
    'reboot',
  ]);
  const slots = checkSlotOptions(given, selection, (name) => ({ name }));
  const sockets = given.socketDirectory;
  return new SwupdateInstaller(slots, {
    sockets: sockets && text('socketDirectory', sockets, { max: 90, pattern: /^\// }),
    timeoutMs: checkTimeout('timeoutMs', given.timeoutMs),
  });
}

interface Checked {
  readonly sockets: string | undefined;
  readonly timeoutMs: number;
}

const CLIENT = 'swupdate-client';

class SwupdateInstaller extends SlotInstaller {
  readonly kind = 'swupdate';

  constructor(
    slots: CheckedSlots,
    private readonly options: Checked,
  ) {
    super(slots);
  }

  protected async look(_: string, __: InstallImage, { signal }: InstallOptions): Promise<void> {
    const { sockets } = this.options;
    await assertProgram(CLIENT);
    if (sockets !== undefined) await assertSocket(sockets);
    await idle(sockets, signal);
  }

  protected async write(
    selected: string,
    image: InstallImage,
    options: InstallOptions,
  ): Promise<void> {
    const argv = [CLIENT, '-v', '-e', selected, '-'];
    const { sockets, timeoutMs } = this.options;
    const words = new Words();
    const ending = new Ending(options.signal);
    try {
      const result = await run({
        argv,
        stdin: withoutPadding(counted(image, options, () => words.step)),
        timeoutMs,
        signal: ending.signal,
        env: { LC_ALL: 'C', ...(sockets !== undefined && { TMPDIR: sockets }) },
        onLine: (line, from) => {
          words.take(line, from);
          if (words.isBrokenOff) ending.soon(() => brokenOff(words, sockets));
        },
      });
      if (result.code !== 0) throw await failed(argv, result, words, sockets);
    } finally {
      ending.release();
    }
    options.onProgress?.({ fraction: 1, step: 'SWUpdate was successful' });
  }
}

async function assertSocket(sockets: string): Promise<void> {
  const socket = path.join(sockets, 'sockinstctrl');
  await stat(socket).catch((cause: NodeJS.ErrnoException) => {
    const detail = `SWUpdate does not run: ${socket}: ${cause.code}`;
    throw new IotkitError('ERR_INSTALL_UNAVAILABLE', detail, { cause });
  });
}

/** How long a daemon that installs is waited for, in questions. */
const BUSY_QUESTIONS = 50;

/**
 * Waits for the daemon to be done with what it does: of an image that was given up it learns late.
 *
 * @throws IotkitError ERR_INSTALL_BUSY (it installs another image); the signal's reason
 */
async function idle(sockets: string | undefined, signal: AbortSignal | undefined): Promise<void> {
  for (let i = 0; ; i += 1) {
    const found = await daemonStatus(sockets);
    throwIfAborted(signal);
    if (found === undefined || found.isIdle) return;
    if (!found.isBusy && i >= QUESTIONS) return;
    if (i === BUSY_QUESTIONS) throw busy();
    await sleep(PAUSE_MS);
  }
}

function busy(): IotkitError {
  return new IotkitError('ERR_INSTALL_BUSY', 'SWUpdate installs another image');
}

/** The bytes of the image; progress is how many of them the daemon has taken. */
async function* counted(
  image: InstallImage,
  { onProgress }: InstallOptions,
  step: () => string,
): AsyncGenerator<Uint8Array> {
  let taken = 0;
  for await (const chunk of provenBytesOf(image)) {
    onProgress?.({ fraction: Math.min(1, taken / image.size), step: step() });
    taken += chunk.length;
    yield chunk;
  }
  if (taken === image.size) return;
  const detail = `announced were ${image.size} bytes; the image has ${taken}`;
  throw new IotkitError('ERR_SIZE_MISMATCH', detail);
}

/** Of the zeros at the end, those that belong to the last entry of the archive (cpio). */
const LAST_ZEROS = 4;

/**
 * The same bytes without the padding at the end of the archive. The daemon is done at its last entry
 * and closes, and the client, which still sends, reports an image that was installed as failed.
 */
async function* withoutPadding(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let zeros = 0;
  for await (const chunk of bytes) {
    const end = chunk.findLastIndex((byte) => byte !== 0) + 1;
    if (end > 0) {
      yield* zerosOf(zeros);
      yield chunk.subarray(0, end);
      zeros = 0;
    }
    zeros += chunk.length - end;
  }
  yield* zerosOf(Math.min(zeros, LAST_ZEROS));
}

function* zerosOf(count: number): Generator<Uint8Array> {
  const size = 64 * 1024;
  for (let left = count; left > 0; left -= size) yield new Uint8Array(Math.min(left, size));
}

/**
 * How often the daemon is asked why it has broken off an image, at most, and how long after one
 * another. The client has been seen to wait for ever then.
 */
const QUESTIONS = 10;
const PAUSE_MS = 200;

/** Ends the client: by the caller's signal, or when it is known why the daemon takes no more. */
class Ending {
  readonly #abort = new AbortController();
  readonly #stopListening: () => void;
  #isEnding = false;

  constructor(signal: AbortSignal | undefined) {
    this.#stopListening = whenAborted(signal, (reason) => this.#abort.abort(reason));
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  soon(why: () => Promise<unknown>): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    void why().then((reason) => this.#abort.abort(reason));
  }

  release(): void {
    this.#stopListening();
  }
}

/**
 * What the client says: "Status: 4 message: ERROR : HASH mismatch : …", which is the daemon's and so may
 * be an image's. Of itself it speaks on its standard error alone.
 */
class Words {
  step = '';
  readonly errors: string[] = [];
  /** The daemon has not taken the first byte. */
  isNotStarted = false;
  /** The daemon takes no more of the image: it has refused it, or has ended. */
  isBrokenOff = false;

  take(line: string, from: 'stdout' | 'stderr'): void {
    if (from === 'stderr') this.#takeOwn(line);
    else this.#takeMessage(line);
  }

  #takeOwn(line: string): void {
    this.isBrokenOff ||= line.startsWith('swupdate_image_write failed');
    this.isNotStarted ||= line.startsWith('swupdate_async_start returns');
  }

  #takeMessage(line: string): void {
    const [, status, message = ''] = /^Status: (\d+) message: (.*)$/.exec(line) ?? [];
    if (status === undefined) return;
    if (status === FAILURE) this.errors.push(reasonOf(message));
    else if (message !== '') this.step = message.replace(/^\[\w+\] : /, '').trim();
  }
}

const FAILURE = '4';
/** What a daemon says of an image that is damaged, not for this machine, or not by whom it trusts. */
const refusals = new RegExp(
  [
    'signature|verif|not recognized|sw-description|compatib|not allowed|selection',
    'magic not found|cannot be parsed|mismatch|checksum',
  ].join('|'),
  'i',
);

async function failed(
  argv: readonly string[],
  result: RunResult,
  words: Words,
  sockets: string | undefined,
): Promise<IotkitError> {
  if (words.isNotStarted) return notStarted(argv, sockets);
  if (words.isBrokenOff) return brokenOff(words, sockets);
  if (words.errors.length === 0) {
    return new IotkitError('ERR_INSTALL_FAILED', failureOf(argv, result));
  }
  return failedFor(words.errors);
}

/** What it says of each failure, beside the reason. */
const saysNothing = /^Image invalid or corrupted/;

function failedFor(errors: readonly string[]): IotkitError {
  const isRefused = errors.some((error) => refusals.test(error));
  const code = isRefused ? 'ERR_INSTALL_REFUSED' : 'ERR_INSTALL_FAILED';
  // The client may have asked in between: then it was told one of them, and may have kept it.
  const reasons = errors.filter((error) => !saysNothing.test(error));
  return new IotkitError(code, [...new Set(reasons.length === 0 ? errors : reasons)].join('; '));
}

/** The client does not ask then why; so the daemon is asked here. */
async function brokenOff({ errors }: Words, sockets: string | undefined): Promise<IotkitError> {
  const isKnown = (): boolean => errors.some((error) => !saysNothing.test(error));
  for (let i = 0; i < QUESTIONS && !isKnown(); i += 1) {
    if (i > 0) await sleep(PAUSE_MS);
    const found = await daemonStatus(sockets);
    if (found === undefined) {
      await sleep(QUESTIONS * PAUSE_MS); // the client may know more
      break;
    }
    errors.push(...failuresOf(found.messages));
  }
  if (errors.length > 0) return failedFor(errors);
  const detail = 'SWUpdate has broken off the image: its log says why';
  return new IotkitError('ERR_INSTALL_REFUSED', detail);
}

// The daemon says no without a reason, or is not there: the client says the same of all of these.
async function notStarted(
  argv: readonly string[],
  sockets: string | undefined,
): Promise<IotkitError> {
  const selected = argv[argv.indexOf('-e') + 1];
  const found = await daemonStatus(sockets);
  const failures = failuresOf(found?.messages ?? []);
  const refusal = failures.find((failure) => /not allowed/i.test(failure));
  if (refusal !== undefined) {
    const detail = `SWUpdate: ${refusal}; start it with swupdate -q ${selected}`;
    return new IotkitError('ERR_INSTALL_SETUP', detail);
  }
  if (found !== undefined && !found.isIdle) return busy();
  const detail =
    `SWUpdate takes no image now: it does not run, installs another one, or does not allow the ` +
    `selection ${selected} (swupdate -q ${selected}); its log says which`;
  return new IotkitError('ERR_INSTALL_UNAVAILABLE', detail);
}
