import {
  abortSignal,
  options as checkOptions,
  integer,
  optional,
  outOfRange,
  text,
} from './arguments';
import type { NativeDevice, NativeJob } from './binding';
import { publish } from './diagnostics';
import { IotkitError } from './errors';
import { Feed } from './feed';
import type { Run } from './run';
import { abortable, whenAborted } from './signals';
import { Upgrade } from './upgrade';

export interface ReportVersionOptions {
  /** 1-64 letters, digits, `.`, `-`, `_`. Default: the default module. */
  readonly module?: string;
  /** Stops waiting; the report itself is on its way. */
  readonly signal?: AbortSignal;
}

export interface ReportProgressOptions {
  /** What the platform's console shows beside it, at most 1,024 bytes. */
  readonly desc?: string;
  /** Default: the default module. */
  readonly module?: string;
}

export interface UpgradesOptions {
  /** Only upgrades of this module. Default: every upgrade. */
  readonly module?: string;
  /** Ends the iteration by throwing its reason. */
  readonly signal?: AbortSignal;
}

export interface CheckOptions {
  /** Default: the default module. */
  readonly module?: string;
  /** Milliseconds to wait for the answer, 1-3,600,000. Default 10,000. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
}

/** The device, as far as its OTA channel needs it. */
export interface OtaHost {
  /** Keeps the process alive until `operation` has settled. */
  holdWhile<T>(operation: Promise<T>): Promise<T>;
}

/** A waiting reportVersion or check. */
interface Waiter<T> {
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
}

interface Check extends Waiter<Upgrade | undefined> {
  readonly module: string;
}

interface Consumer {
  readonly feed: Feed<Upgrade>;
}

const MAX_WAITING_UPGRADES = 64;
const CHECK_TIMEOUT_MS = 10_000;
const namePattern = /^[A-Za-z0-9._-]+$/;
const nameRule = {
  max: 64,
  pattern: namePattern,
  expected: '1-64 letters, digits, ".", "-" and "_"',
} as const;

function checkModule(value: string | undefined): string {
  return optional(value, (module) => text('module', module, nameRule)) ?? '';
}

/** The firmware updates of a device: `device.ota`. */
export class Ota {
  readonly #device: OtaHost;
  readonly #native: NativeDevice;
  readonly #reports = new Map<number, Waiter<void>>();
  /** Sent, by request id. */
  readonly #checks = new Map<string, Check>();
  /** To be sent (again) with the next connection. */
  readonly #unsentChecks = new Set<Check>();
  /** Announced and not yet taken, by module. */
  readonly #waiting = new Map<string, Upgrade>();
  readonly #consumers = new Set<Consumer>();
  readonly #runs = new Set<Run>();
  /** Steps that must reach the platform, by module. */
  readonly #unsentSteps = new Map<string, { readonly step: number; readonly desc: string }>();
  #connects = 0;
  #closed: IotkitError | undefined;

  /** @internal */
  constructor(device: OtaHost, native: NativeDevice) {
    this.#device = device;
    this.#native = native;
  }

  /**
   * Tells the platform which version runs: once after each start, for each module, and again after
   * an update, which is what ends it. Resolves when the platform has acknowledged; a drop in
   * between does not matter.
   *
   * @param version 1-64 letters, digits, `.`, `-`, `_`.
   * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_CLOSED`, `ERR_QUEUE_FULL`; the
   *   signal's reason.
   */
  async reportVersion(version: string, options?: ReportVersionOptions): Promise<void> {
    const given = checkOptions('options', options, ['module', 'signal']);
    text('version', version, nameRule);
    const module = checkModule(given.module);
    const signal = abortSignal('signal', given.signal);
    signal?.throwIfAborted();
    this.#assertOpen();
    const packetId = this.#native.reportVersion(version, module);
    if (packetId < 0) throw IotkitError.fromErrno(packetId);
    const acknowledged = new Promise<void>((resolve, reject) => {
      this.#reports.set(packetId, { resolve, reject });
    });
    await this.#device.holdWhile(abortable(acknowledged, signal));
  }

  /**
   * Sends a step of an update. Downloads do this by themselves; it is for what comes after, such as
   * flashing.
   *
   * @param step 0-100 percent; -1 upgrade failed, -2 download failed, -3 verification failed, -4
   *   writing failed.
   * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_NOT_CONNECTED`, `ERR_CLOSED`,
   *   `ERR_QUEUE_FULL`.
   */
  async reportProgress(step: number, options?: ReportProgressOptions): Promise<void> {
    const given = checkOptions('options', options, ['desc', 'module']);
    integer('step', step, { min: -4, max: 100 });
    const desc = optional(given.desc, (value) => text('desc', value, { min: 0, max: 1024 })) ?? '';
    if (Buffer.byteLength(desc) > 1024) throw outOfRange('desc', 'at most 1,024 bytes', desc);
    const module = checkModule(given.module);
    this.#assertOpen();
    const rc = this.#native.reportProgress(step, desc, module);
    if (rc < 0) throw IotkitError.fromErrno(rc);
  }

  /**
   * The upgrades that the platform announces, as they come. One that comes before anybody asks
   * waits here; of several for one module that nobody has taken, the newest counts. Several
   * iterations share them. Ends when the device closes.
   *
   * @throws {@link InvalidArgument}
   *
   * @example
   * for await (const upgrade of device.ota.upgrades()) await upgrade.download('/var/lib/app/firmware.bin');
   */
  upgrades(options?: UpgradesOptions): AsyncIterableIterator<Upgrade> {
    const given = checkOptions('options', options, ['module', 'signal']);
    const module = given.module === undefined ? undefined : checkModule(given.module);
    const consumer: Consumer = {
      feed: new Feed<Upgrade>({
        take: () => this.#take(module),
        detach: () => this.#consumers.delete(consumer),
        signal: abortSignal('signal', given.signal),
      }),
    };
    this.#consumers.add(consumer);
    if (this.#closed !== undefined) consumer.feed.end();
    return consumer.feed;
  }

  /**
   * Asks the platform whether there is an upgrade for a module.
   *
   * @returns the upgrade, or undefined: there is none.
   * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_TIMEOUT`, `ERR_NOTICE_CODE`,
   *   `ERR_CLOSED`; the signal's reason.
   */
  async check(options?: CheckOptions): Promise<Upgrade | undefined> {
    const given = checkOptions('options', options, ['module', 'timeout', 'signal']);
    const module = checkModule(given.module);
    const signal = abortSignal('signal', given.signal);
    const timeoutMs = integer('timeout', given.timeout ?? CHECK_TIMEOUT_MS, {
      min: 1,
      max: 3_600_000,
    });
    signal?.throwIfAborted();
    this.#assertOpen();
    return this.#device.holdWhile(this.#ask(module, timeoutMs, signal));
  }

  #ask(
    module: string,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Upgrade | undefined> {
    let check: Check | undefined;
    let timer: NodeJS.Timeout | undefined;
    let stopListening: () => void = () => {};
    const answer = new Promise<Upgrade | undefined>((resolve, reject) => {
      check = { module, resolve, reject };
      const late = `the platform did not answer within ${timeoutMs} ms`;
      timer = setTimeout(() => reject(new IotkitError('ERR_TIMEOUT', late)), timeoutMs);
      stopListening = whenAborted(signal, () => reject(signal?.reason));
      this.#send(check);
    });
    return answer.finally(() => {
      clearTimeout(timer);
      stopListening();
      if (check !== undefined) this.#forgetCheck(check);
    });
  }

  #send(check: Check): void {
    const id = this.#native.request(check.module);
    if (typeof id === 'string') {
      this.#checks.set(id, check);
      return;
    }
    const error = IotkitError.fromErrno(id);
    if (error.code === 'ERR_NOT_CONNECTED') this.#unsentChecks.add(check);
    else check.reject(error);
  }

  #forgetCheck(check: Check): void {
    this.#unsentChecks.delete(check);
    for (const [id, other] of this.#checks) {
      if (other === check) this.#checks.delete(id);
    }
  }

  #assertOpen(): void {
    if (this.#closed !== undefined) throw new IotkitError('ERR_CLOSED', this.#closed.detail);
  }

  #take(module: string | undefined): Upgrade | undefined {
    for (const [key, upgrade] of this.#waiting) {
      if (module !== undefined && module !== key) continue;
      this.#waiting.delete(key);
      return upgrade;
    }
    return undefined;
  }

  /** @internal A report was acknowledged, or given up. */
  onPublished(packetId: number, errno: number, detail: string): void {
    const waiter = this.#reports.get(packetId);
    if (waiter === undefined) return;
    this.#reports.delete(packetId);
    if (errno === 0) waiter.resolve();
    else waiter.reject(IotkitError.fromErrno(errno, detail));
  }

  /** @internal A notice or the answer to a check. */
  onUpgrade(job: NativeJob): void {
    const upgrade = new Upgrade(job, this);
    const check = this.#checks.get(upgrade.id);
    publish('upgrade', { device: this.#device, upgrade });
    if (check !== undefined) {
      check.resolve(upgrade);
      return;
    }
    // The platform repeats a notice until it sees progress; what is being consumed is not news.
    if ([...this.#runs].some((run) => upgrade.isSame(run.upgrade))) return;
    const key = upgrade.module ?? '';
    this.#waiting.delete(key);
    if (this.#waiting.size >= MAX_WAITING_UPGRADES) this.#dropOldest();
    this.#waiting.set(key, upgrade);
    for (const { feed } of [...this.#consumers]) feed.wake();
  }

  #dropOldest(): void {
    const [oldest] = this.#waiting.keys();
    if (oldest === undefined) return;
    this.#waiting.delete(oldest);
    const detail = `an upgrade of module ${oldest} was dropped: nobody takes upgrades`;
    publish('refused', {
      device: this.#device,
      error: new IotkitError('ERR_QUEUE_FULL', detail),
    });
  }

  /** @internal */
  onRefused(error: IotkitError): void {
    if (error.code !== 'ERR_NOTICE_CODE') return;
    const [first] = this.#checks.values();
    first?.reject(error);
  }

  /** @internal */
  onNothing(requestId: string): void {
    this.#checks.get(requestId)?.resolve(undefined);
  }

  /** @internal What a drop may have swallowed is sent again. */
  onConnected(connects: number): void {
    if (connects === this.#connects) return;
    this.#connects = connects;
    const again = [...this.#unsentChecks, ...this.#checks.values()];
    this.#unsentChecks.clear();
    this.#checks.clear();
    for (const check of new Set(again)) this.#send(check);
    const steps = [...this.#unsentSteps];
    this.#unsentSteps.clear();
    for (const [module, { step, desc }] of steps) this.sendStep(module, step, desc);
  }

  /** @internal Sends now, or the last of each module as soon as there is a connection. */
  sendStep(module: string, step: number, desc: string): void {
    if (this.#closed !== undefined) return;
    const rc = this.#native.reportProgress(step, desc, module);
    if (rc < 0) this.#unsentSteps.set(module, { step, desc });
    else this.#unsentSteps.delete(module);
  }

  /** @internal Throws `ERR_CLOSED`: the upgrades of a device end with it. */
  onRunStart(run: Run): void {
    this.#assertOpen();
    this.#runs.add(run);
  }

  /** @internal */
  onRunEnd(run: Run): void {
    this.#runs.delete(run);
  }

  /**
   * @internal Everything that waits or runs ends with `error`. Resolves when nothing runs any more.
   */
  async shutdown(error: IotkitError): Promise<void> {
    this.#closed = error;
    for (const waiter of this.#reports.values()) waiter.reject(error);
    for (const check of [...this.#unsentChecks, ...this.#checks.values()]) check.reject(error);
    this.#reports.clear();
    this.#waiting.clear();
    for (const { feed } of [...this.#consumers]) feed.end();
    const runs = [...this.#runs];
    for (const run of runs) run.cancel(error);
    await Promise.allSettled(runs.map((run) => run.outcome));
  }
}
