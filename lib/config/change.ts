/** One configuration: reading it, keeping it, answering for it. */
import { inspect } from 'node:util';
import type { NativeConfigInfo, NativeJob } from '../addon/binding';
import {
  abortSignal,
  options as checkOptions,
  integer,
  orElse,
  outOfRange,
  text,
  wrongType,
} from '../base/arguments';
import { IotkitError } from '../base/errors';
import { abortable, throwIfAborted } from '../base/signals';
import { Consumption, type ConsumptionHost } from '../download/consumption';
import { type CheckedConsumption, SMALL_CHUNK_SIZE } from '../download/options';
import { type CheckedTargets, checkTargets, type FileTarget, type Path } from '../download/targets';
import { jsonOf, textOf } from './content';

/** What {@link ConfigChange.text} and {@link ConfigChange.json} take. */
export interface ConfigReadOptions {
  /**
   * The most bytes that are taken, 1-65,536: a larger configuration is refused before it is fetched.
   * Default 65,536.
   */
  readonly maxBytes?: number | undefined;
  /** Cancels the download, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What {@link ConfigChange.save} takes. */
export interface ConfigSaveOptions {
  /** Cancels the download, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * - `open`: neither accepted nor rejected, or pushed once more since
 * - `accepted`, `rejected`: by {@link ConfigChange.accept}, {@link ConfigChange.reject}
 */
export type ConfigState = 'open' | 'accepted' | 'rejected';

/** @internal What a change needs of the remote configuration of its device. */
export interface ChangeHost extends ConsumptionHost {
  /** Throws `ERR_CLOSED` if nothing may begin any more. */
  assertOpen(): void;
  /** Asks the platform once more; whether it still is this configuration, which has a new URL then. */
  askAgain(signal: AbortSignal | undefined): Promise<boolean>;
  answer(pushIds: readonly string[], code: number, message: string): Promise<void>;
  holdWhile<T>(operation: Promise<T>): Promise<T>;
}

const MAX_BYTES = 64 * 1024;
const MESSAGE_MAX_BYTES = 1024;
const CODE_ACCEPTED = 200;

/**
 * One configuration of the product. There is one object for each, as long as it is the newest,
 * whoever asks and however often the platform sends it. Nothing is fetched before it is asked for;
 * what is handed out is whole and has the announced digest. Calls of one object are done one after
 * the other. Where the URL has expired (the platform's are valid for 30 minutes) the platform is
 * asked for another one, once.
 */
export class ConfigChange {
  /** The platform's name for this file; another file has another. */
  readonly configId: string;
  /** Bytes, 1-65,536. */
  readonly size: number;
  /** What the digest was made with, as the platform wrote it: `Sha256`, `Md5`, … */
  readonly signMethod: string;
  /** The same by its name in this package. */
  readonly digestMethod: 'md5' | 'sha256';
  /** The announced digest, lower-case hex. */
  readonly digest: string;

  readonly #host: ChangeHost;
  readonly #consumption: Consumption;
  /** Of the pushes that are not answered. */
  #pushIds: string[] = [];
  #state: ConfigState = 'open';
  /** The content, once it was fetched into memory. */
  #bytes: Uint8Array | undefined;
  /** Resolves when the call before the next one has ended. */
  #before: Promise<void> = Promise.resolve();

  /** @internal */
  constructor(job: NativeJob, { configId, signMethod }: NativeConfigInfo, host: ChangeHost) {
    const { size, digest, digestMethod } = job.info;
    this.configId = configId;
    this.size = size;
    this.signMethod = signMethod;
    this.digestMethod = digestMethod;
    this.digest = digest;
    this.#host = host;
    const image = { module: undefined, version: configId, size, digest, files: [] };
    this.#consumption = new Consumption(image, job, host, () => host.assertOpen());
  }

  /** Whether the program has answered for it. */
  get state(): ConfigState {
    return this.#state;
  }

  /** Whether the platform has pushed it and awaits an answer. */
  get awaitsAnswer(): boolean {
    return this.#pushIds.length > 0;
  }

  /** @internal It was sent once more: the next download fetches what `job` says. */
  renew(job: NativeJob): void {
    this.#consumption.renew(job);
  }

  /** @internal It was pushed: it is open again, and an answer is awaited if the push has an id. */
  pushed(pushId: string): void {
    this.#state = 'open';
    if (pushId !== '') this.#pushIds.push(pushId);
  }

  /**
   * The content as text, UTF-8, without a byte order mark. It is fetched once and then kept with
   * this object.
   *
   * @throws {@link InvalidArgument}
   * @throws {@link IotkitError} `ERR_TOO_LONG` (more than `maxBytes`), `ERR_CONFIG_CONTENT` (not
   *   UTF-8), `ERR_DIGEST_MISMATCH`, `ERR_SIZE_MISMATCH`, `ERR_URL_EXPIRED` (and the platform has no
   *   other URL for it), `ERR_HTTP_STATUS`, network errors when `fetch.patience` is over,
   *   `ERR_CLOSED`
   * @throws the signal's reason.
   */
  async text(options?: ConfigReadOptions): Promise<string> {
    const given = checkOptions('options', options, ['maxBytes', 'signal']);
    const range = { min: 1, max: MAX_BYTES };
    const maxBytes = integer('maxBytes', orElse(given.maxBytes, MAX_BYTES), range);
    const signal = abortSignal('signal', given.signal);
    if (this.size > maxBytes) {
      const detail = `the configuration has ${this.size} bytes, maxBytes is ${maxBytes}`;
      throw new IotkitError('ERR_TOO_LONG', detail);
    }
    return textOf(await this.#exclusively(signal, () => this.#read(signal)));
  }

  /**
   * The content as what it is in JSON; its form is not checked.
   *
   * @throws as {@link ConfigChange.text}; `ERR_CONFIG_CONTENT` also where it is not JSON.
   */
  async json<T = unknown>(options?: ConfigReadOptions): Promise<T> {
    return jsonOf(await this.text(options)) as T;
  }

  /**
   * Downloads the content into a file, which appears whole under its name or not at all, as
   * {@link Upgrade.download} does: bytes go to `path.part`, are verified and synced, then the file is
   * renamed.
   *
   * @throws {@link InvalidArgument}
   * @throws as {@link ConfigChange.text}; `ERR_NO_SPACE`, `ERR_FILE_ACCESS`, `ERR_FILE_NOT_FOUND`,
   *   `ERR_FILE_LOCKED`, `ERR_FILE`.
   *
   * @example
   * await change.save({ path: '/etc/app/config.json', mode: 0o600 });
   */
  async save(target: Path | FileTarget, options?: ConfigSaveOptions): Promise<void> {
    const given = checkOptions('options', options, ['signal']);
    const signal = abortSignal('signal', given.signal);
    const targets = checkFile(target);
    const download = (): Promise<void> =>
      this.#consumption.download(targets, consumptionOf(signal));
    await this.#exclusively(signal, () => this.#withUrl(signal, download));
  }

  /**
   * Answers that the device has taken the configuration: code 200, for each push of it that is not
   * answered. Resolves when the answers have been handed to the connection; without one they wait
   * for the next. To one that was only fetched the platform awaits no answer: nothing is sent. In
   * either case {@link RemoteConfig.changes} offers it again only if it is pushed again.
   *
   * @throws {@link IotkitError} `ERR_INVALID_STATE` (accepted or rejected before), `ERR_CLOSED`,
   *   `ERR_QUEUE_FULL`.
   */
  async accept(): Promise<void> {
    await this.#answer('accepted', CODE_ACCEPTED, '');
  }

  /**
   * As {@link ConfigChange.accept}, but that the device has refused the configuration, and why.
   *
   * @param code a positive number but 200; the platform's own are 460 (the parameters are wrong) and
   *   500 (the device has failed). Default 460.
   * @param message what the operator reads, at most 1,024 bytes.
   * @throws {@link InvalidArgument}, and what accept() throws.
   */
  async reject(code = 460, message = ''): Promise<void> {
    integer('code', code, { min: 1, max: 2 ** 31 - 1 });
    if (code === CODE_ACCEPTED) throw outOfRange('code', 'a code but 200, which accepts', code);
    text('message', message, { min: 0, max: MESSAGE_MAX_BYTES });
    if (Buffer.byteLength(message) > MESSAGE_MAX_BYTES) {
      throw outOfRange('message', 'at most 1,024 bytes', message);
    }
    await this.#answer('rejected', code, message);
  }

  /** The announcement, without the URL. */
  toJSON(): Record<string, unknown> {
    const { configId, size, signMethod, digestMethod, digest, state, awaitsAnswer } = this;
    return { configId, size, signMethod, digestMethod, digest, state, awaitsAnswer };
  }

  /** @internal Not declared, so that users need no types of Node's. */
  [inspect.custom](): string {
    return `ConfigChange ${inspect(this.toJSON())}`;
  }

  async #answer(state: ConfigState, code: number, message: string): Promise<void> {
    this.#host.assertOpen();
    if (this.#state !== 'open') {
      throw new IotkitError('ERR_INVALID_STATE', `the configuration was ${this.#state} already`);
    }
    this.#state = state;
    const pushIds = this.#pushIds.splice(0);
    if (pushIds.length > 0) await this.#host.answer(pushIds, code, message);
  }

  async #read(signal: AbortSignal | undefined): Promise<Uint8Array> {
    if (this.#bytes === undefined) {
      await this.#withUrl(signal, async () => {
        this.#bytes = await this.#fetch(signal);
      });
    }
    return this.#bytes as unknown as Uint8Array;
  }

  async #fetch(signal: AbortSignal | undefined): Promise<Uint8Array> {
    const chunks: Uint8Array[] = [];
    const options = { ...consumptionOf(signal), chunkSize: SMALL_CHUNK_SIZE, recycle: false };
    for await (const chunk of this.#consumption.chunks(options)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /** Does `use`; where its URL has expired once more with another one. */
  async #withUrl(signal: AbortSignal | undefined, use: () => Promise<void>): Promise<void> {
    try {
      await use();
    } catch (error) {
      if (!IotkitError.is(error) || error.code !== 'ERR_URL_EXPIRED') throw error;
      const hasAnother = await this.#host.askAgain(signal).catch(() => false);
      throwIfAborted(signal);
      if (!hasAnother) throw error;
      await use();
    }
  }

  /** After the calls before it; until then, and while it runs, the process is kept alive. */
  async #exclusively<T>(signal: AbortSignal | undefined, use: () => Promise<T>): Promise<T> {
    throwIfAborted(signal);
    this.#host.assertOpen();
    const before = this.#before;
    const used = abortable(before, signal).then(use);
    this.#before = Promise.allSettled([before, used]).then(() => {});
    return this.#host.holdWhile(used);
  }
}

/** Nothing is reported, and of 64 KiB nothing is kept for a later download. */
function consumptionOf(signal: AbortSignal | undefined): CheckedConsumption {
  return {
    signal,
    onProgress: undefined,
    base: undefined,
    onBase: undefined,
    reportUpTo: 0,
    resume: false,
    share: false,
    signature: undefined,
    signatures: new Map(),
  };
}

function checkFile(target: Path | FileTarget): CheckedTargets {
  const targets = checkTargets(target);
  const [file] = targets.native;
  if (Array.isArray(target) || targets.writer !== undefined || file?.inPlace !== false) {
    throw wrongType('target', 'a path or { path, mode }', target);
  }
  return targets;
}
