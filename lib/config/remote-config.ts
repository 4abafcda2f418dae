/**
 * This room is the remote configuration of a device. remote-config.ts is its public face: what the
 * platform pushed or answered becomes a change, one for each configuration, and the iterations get
 * it; change.ts is what a program does with one, answers.ts sends the answers. It may import base,
 * options, addon and download; of the device it knows {@link ConfigHost}.
 */
import type { NativeConfigInfo, NativeDevice, NativeJob } from '../addon/binding';
import { abortSignal, options as checkOptions, integer, orElse } from '../base/arguments';
import { publish } from '../base/diagnostics';
import { IotkitError } from '../base/errors';
import { Feed, type Iteration } from '../base/feed';
import { Requests } from '../base/requests';
import { throwIfAborted } from '../base/signals';
import { type DownloadRun, endRuns } from '../download/run';
import { ConfigAnswers } from './answers';
import { ConfigChange } from './change';

/** What {@link RemoteConfig.get} takes. */
export interface ConfigGetOptions {
  /** Milliseconds to wait for the answer, 1-3,600,000. Default 10,000. */
  readonly timeout?: number | undefined;
  /** Ends the wait; its reason is what it rejects with. */
  readonly signal?: AbortSignal | undefined;
}

/** What {@link RemoteConfig.changes} takes. */
export interface ConfigChangesOptions {
  /** Ends the iteration by throwing its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** @internal What the remote configuration needs of its device. */
export interface ConfigHost {
  /** Keeps the process alive until `operation` has settled. */
  holdWhile<T>(operation: Promise<T>): Promise<T>;
  /** Who hears of refusals. */
  readonly listeners: { emit(event: 'refused', error: IotkitError): void };
}

const ASK_TIMEOUT_MS = 10_000;

interface View {
  /** Not handed out yet. */
  pending: ConfigChange | undefined;
  readonly feed: Feed<ConfigChange>;
}

/**
 * The remote configuration of a device: `device.config`. A configuration is one file of at most
 * 64 KiB for all devices of a product. The platform pushes a new one to the devices that are
 * connected, and never again to one that was away: while somebody iterates over
 * {@link RemoteConfig.changes}, the device asks for it after each connect.
 *
 * The topics are subscribed with the first call of {@link RemoteConfig.get} or
 * {@link RemoteConfig.changes}: a device that uses neither needs no permission for them.
 */
export class RemoteConfig {
  readonly #device: ConfigHost;
  readonly #native: NativeDevice;
  readonly #answers: ConfigAnswers;
  readonly #requests = new Requests<ConfigChange | undefined>();
  readonly #views = new Set<View>();
  readonly #runs = new Set<DownloadRun>();
  /** The newest one that is known. */
  #current: ConfigChange | undefined;
  #closed: IotkitError | undefined;
  #isConnected = false;
  #connects = 0;
  /** The connection in which the device last asked by itself. */
  #askedIn = 0;
  #isAsking = false;

  /** @internal */
  constructor(device: ConfigHost, native: NativeDevice) {
    this.#device = device;
    this.#native = native;
    this.#answers = new ConfigAnswers((...answer) => native.answerConfig(...answer));
  }

  /**
   * Asks the platform for the configuration of the product.
   *
   * @returns the same object for the same configuration, whoever asks, as long as it is the newest;
   *   undefined: there is none.
   * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_CONFIG_DISABLED` (remote configuration
   *   is switched off for the product; code 6713), `ERR_PLATFORM_PARAMETERS` (460),
   *   `ERR_PLATFORM_UNAVAILABLE` (429, 500), `ERR_NOTICE_CODE` (another code, see `detail`),
   *   `ERR_NOTICE_JSON`, `ERR_NOTICE_FIELD`, `ERR_DIGEST_METHOD`, `ERR_URL`, `ERR_URL_SCHEME` (an
   *   answer that cannot be read), `ERR_TIMEOUT`, `ERR_CLOSED`; the signal's reason.
   *
   * @example
   * const config = await device.config.get();
   * if (config !== undefined) apply(await config.json());
   */
  async get(options?: ConfigGetOptions): Promise<ConfigChange | undefined> {
    const given = checkOptions('options', options, ['timeout', 'signal']);
    const timeoutMs = integer('timeout', orElse(given.timeout, ASK_TIMEOUT_MS), {
      min: 1,
      max: 3_600_000,
    });
    const signal = abortSignal('signal', given.signal);
    throwIfAborted(signal);
    this.#assertOpen();
    return this.#device.holdWhile(this.#ask(timeoutMs, signal));
  }

  /**
   * The configurations of the product, as they come: first the newest that is known and neither
   * accepted nor rejected, then each that the platform pushes or answers. While somebody iterates,
   * the device asks by itself, at the beginning and after each connect. Each iteration gets every
   * change; a slow consumer only the newest. Ends when the device closes.
   *
   * One that comes again comes once: with each connect, and after {@link RemoteConfig.get}. One that
   * was accepted or rejected is offered again only if the platform pushes it again. A program that
   * starts gets the configuration again, and tells by {@link ConfigChange.configId} whether it has
   * applied it.
   *
   * What goes wrong where nobody waits for it, such as `ERR_CONFIG_DISABLED` in the answer to a
   * question of the device's own, is the event `refused` of {@link Device.on}.
   *
   * @throws {@link InvalidArgument}
   *
   * @example
   * for await (const change of device.config.changes()) {
   *   try {
   *     apply(await change.json());
   *     await change.accept();
   *   } catch (error) {
   *     await change.reject(460, String(error));
   *   }
   * }
   */
  changes(options?: ConfigChangesOptions): Iteration<ConfigChange> {
    const { signal } = checkOptions('options', options, ['signal']);
    const current = this.#current;
    const view: View = {
      pending: current?.state === 'open' ? current : undefined,
      feed: new Feed<ConfigChange>({
        take: () => {
          const change = view.pending;
          view.pending = undefined;
          return change;
        },
        detach: () => this.#views.delete(view),
        signal: abortSignal('signal', signal),
      }),
    };
    this.#views.add(view);
    if (this.#closed === undefined) void this.#askByItself();
    else view.feed.end();
    return view.feed;
  }

  /** @internal The platform has pushed a configuration, or answered with one. */
  onConfig(job: NativeJob, info: NativeConfigInfo): void {
    if (this.#closed !== undefined) return;
    const known = this.#current?.configId === info.configId ? this.#current : undefined;
    const change = known ?? new ConfigChange(job, info, this.#hostOf(info.configId));
    known?.renew(job);
    this.#current = change;
    const isOffered = known === undefined || (info.pushed && known.state !== 'open');
    if (info.pushed) change.pushed(job.info.id);
    else this.#requests.answered(job.info.id, change);
    if (isOffered) this.#offer(change);
  }

  /** @internal `requestId` is that of the request it answers, `''`: of none. */
  onRefused(error: IotkitError, requestId: string): void {
    if (!this.#requests.refused(requestId, error)) this.#refuse(error);
  }

  /** @internal The product has no configuration. */
  onNothing(requestId: string): void {
    this.#requests.answered(requestId, undefined);
  }

  /** @internal There is a connection: sends what may have been lost with the last one, and asks. */
  onConnected(connects: number): void {
    this.#isConnected = true;
    if (connects === this.#connects) return;
    this.#connects = connects;
    this.#answers.connected();
    this.#requests.connected();
    void this.#askByItself();
  }

  /** @internal */
  onDisconnected(): void {
    this.#isConnected = false;
  }

  /** @internal All that waits or runs ends with `error`. Resolves when no download runs any more. */
  async shutdown(error: IotkitError): Promise<void> {
    this.#closed = error;
    this.#requests.close(error);
    this.#answers.close(error);
    for (const { feed } of [...this.#views]) feed.end();
    await endRuns([...this.#runs], error);
  }

  #ask(
    timeoutMs: number,
    signal?: AbortSignal,
    isBackground = false,
  ): Promise<ConfigChange | undefined> {
    const send = (): string | number => this.#native.requestConfig();
    return this.#requests.ask(send, { timeoutMs, signal, isBackground });
  }

  /** Once in each connection, while somebody iterates. */
  async #askByItself(): Promise<void> {
    if (!this.#isConnected || this.#views.size === 0) return;
    if (this.#isAsking || this.#askedIn === this.#connects) return;
    this.#askedIn = this.#connects;
    this.#isAsking = true;
    try {
      await this.#ask(ASK_TIMEOUT_MS, undefined, true);
    } catch (error) {
      if (this.#closed === undefined && IotkitError.is(error)) this.#refuse(error);
    } finally {
      this.#isAsking = false;
    }
  }

  #offer(change: ConfigChange): void {
    for (const view of [...this.#views]) {
      view.pending = change;
      view.feed.wake();
    }
  }

  #refuse(error: IotkitError): void {
    publish('refused', { device: this.#device, error });
    this.#device.listeners.emit('refused', error);
  }

  #assertOpen(): void {
    if (this.#closed !== undefined) throw this.#closed;
  }

  /** What the change of a configuration needs of this. */
  #hostOf(configId: string): ConstructorParameters<typeof ConfigChange>[2] {
    return {
      isPublished: false,
      maxSize: 0,
      onRunStart: (run) => this.#runs.add(run),
      onRunEnd: (run) => this.#runs.delete(run),
      onWatched: () => {},
      openReporter: () => {
        throw new IotkitError('ERR_INTERNAL', 'a configuration has no progress reports');
      },
      assertOpen: () => this.#assertOpen(),
      askAgain: async (signal) => {
        const answer = await this.#ask(ASK_TIMEOUT_MS, signal);
        return answer?.configId === configId;
      },
      answer: (pushIds, code, message) =>
        this.#device.holdWhile(this.#answers.send(pushIds, code, message)),
      holdWhile: (operation) => this.#device.holdWhile(operation),
    };
  }
}
