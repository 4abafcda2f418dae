/** A platform in memory, and a Device that is connected to it: for tests of programs. */
import type { DeviceListener, NativeConfigInfo, NativeDevice } from '../addon/binding';
import { options as checkOptions, optional } from '../base/arguments';
import { type ErrorCode, IotkitError } from '../base/errors';
import { Device } from '../device/device';
import { checkLogger, type Logger, logDevice } from '../device/logger';
import { listenerOf } from '../device/parts';
import { checkPayload, filterMatches, type Payload, type Qos } from '../messaging/arguments';
import { checkMessages } from '../messaging/options';
import { checkVerify, type VerifyOptions } from '../options/verify';
import { FakeJob, type FakeNotice, type FakeScript } from './fake-job';

/** What {@link FakePlatform} takes. */
export interface FakePlatformOptions {
  /** Default `fakeProduct`. */
  readonly productKey?: string | undefined;
  /** Default `fake-device`. */
  readonly deviceName?: string | undefined;
  /** The rules for versions. Signatures are not verified. */
  readonly verify?: Pick<VerifyOptions, 'newerOnly' | 'allowVersion'> | undefined;
  /** Where the device writes what happens to it. Default: nowhere. */
  readonly logger?: Logger | undefined;
}

/** A version that the device has reported. */
export interface FakeVersion {
  /** As it was reported. */
  readonly version: string;
  /** undefined: the default module. */
  readonly module: string | undefined;
}

/** A step that the device has reported. */
export interface FakeStep {
  /** 0-100 percent, or the code of a failure, -1 to -4. */
  readonly step: number;
  /** The text reported with it; `''`: none. */
  readonly desc: string;
  /** undefined: the default module. */
  readonly module: string | undefined;
}

/** A message that the device has published. */
export interface FakeMessage {
  /** Where it was published to. */
  readonly topic: string;
  /** Its bytes. */
  readonly payload: Uint8Array;
  /** As it was published. */
  readonly qos: Qos;
  /** As it was published. */
  readonly retain: boolean;
}

/** What the device has answered to a push of a configuration. */
export interface FakeConfigAnswer {
  /** Which configuration was pushed. */
  readonly configId: string;
  /** 200: accepted. */
  readonly code: number;
  /** The text with it; `''`: none. */
  readonly message: string;
}

interface FakeConfig extends NativeConfigInfo {
  readonly data: Uint8Array;
}

/**
 * - `pushed`: announced
 * - `upgrading`: the device has reported progress
 * - `succeeded`: the device has reported the version
 * - `failed`: the device has reported a step below 0
 */
export type FakeTaskState = 'pushed' | 'upgrading' | 'succeeded' | 'failed';

interface Task {
  readonly notice: FakeNotice;
  readonly script: FakeScript;
  state: FakeTaskState;
}

const states = { connecting: 1, connected: 2, waiting: 3 } as const;

/**
 * A platform in memory with one device, for tests of programs: no network, no broker, no server. The
 * device is a real {@link Device}, so that upgrades, downloads, reports and errors are as they are
 * in earnest; its connection does what the test says. It is connected from the beginning.
 *
 * @example
 * const platform = new FakePlatform();
 * const updated = myProgram(platform.device);
 * platform.announce({ version: '2.0.0', data: Buffer.from('image') });
 * await updated;
 * expect(platform.taskState()).toBe('succeeded');
 * await platform.device.close();
 */
export class FakePlatform {
  /** The device of the program under test. */
  readonly device: Device;
  /** The versions that it has reported, in their order. */
  readonly versions: readonly FakeVersion[] = [];
  /** The steps that it has reported, in their order. */
  readonly steps: readonly FakeStep[] = [];
  /** The messages that it has published, in their order. */
  readonly messages: readonly FakeMessage[] = [];

  /** How far the platform's clock is ahead of this machine's, milliseconds: for `device.time()`. */
  clockOffset = 0;
  /** Its answers to pushes of configurations, in their order. */
  readonly configAnswers: readonly FakeConfigAnswer[] = [];

  readonly #tasks = new Map<string, Task>();
  readonly #connection: FakeConnection;
  #config: FakeConfig | undefined;
  #configs = 0;

  /** @throws `InvalidArgument` of `iotkit-ota` */
  constructor(options?: FakePlatformOptions) {
    const { productKey, deviceName, verify, logger } = checkOptions('options', options, [
      'productKey',
      'deviceName',
      'verify',
      'logger',
    ]);
    const { newerOnly, allowVersion } = checkVerify(verify);
    const identity = {
      productKey: productKey ?? 'fakeProduct',
      deviceName: deviceName ?? 'fake-device',
    };
    this.#connection = new FakeConnection({
      onVersion: (version, module) => this.#onVersion(version, module),
      onStep: (step, desc, module) => this.#onStep(step, desc, module),
      onMessage: (message) => (this.messages as FakeMessage[]).push(message),
      jobOf: (module, id) => this.#jobOf(module, id),
      config: () => this.#config,
      clockOffset: () => this.clockOffset,
      onConfigAnswer: (answer) => (this.configAnswers as FakeConfigAnswer[]).push(answer),
    });
    const rules = {
      verify: { newerOnly, allowVersion },
      messages: checkMessages(undefined, { isPlatform: false, isPersistent: false }),
    };
    this.device = new Device(identity, rules, (listener) =>
      this.#connection.open(listenerOf(listener)),
    );
    const log = optional(logger, checkLogger);
    if (log !== undefined) logDevice(this.device, this.device.listeners, log);
    this.connect();
  }

  /**
   * Starts an upgrade, which takes the place of an unfinished one of its module. Its notice comes at
   * once, or with the next {@link FakePlatform.connect}.
   */
  announce(notice: FakeNotice): void {
    const script = {
      failures: [...(notice.failures ?? [])],
      retries: [...(notice.retries ?? [])],
    };
    this.#tasks.set(moduleKey(notice.module), { notice, script, state: 'pushed' });
    this.#connection.push(moduleKey(notice.module));
  }

  /**
   * Sets the remote configuration of the product, and pushes it to the device if that is connected.
   * undefined: there is none any more.
   */
  configure(data: Uint8Array | string | undefined): void {
    this.#configs += 1;
    this.#config =
      data === undefined
        ? undefined
        : {
            configId: `config-${this.#configs}`,
            signMethod: 'Sha256',
            pushed: false,
            data: Buffer.from(data as Uint8Array),
          };
    this.#connection.pushConfig();
  }

  /** What has become of the last upgrade that was announced for a module; undefined: there was none. */
  taskState(module?: string): FakeTaskState | undefined {
    return this.#tasks.get(moduleKey(module))?.state;
  }

  /** The connection is lost, with this error. Until {@link FakePlatform.connect} there is none. */
  disconnect(code: ErrorCode = 'ERR_CONNECTION_RESET'): void {
    this.#connection.disconnect(code);
  }

  /** There is a connection again; as the platform does, it repeats the notice of what is unfinished. */
  connect(): void {
    this.#connection.connect();
    for (const module of this.#tasks.keys()) this.#connection.push(module);
  }

  /** The device gets a message, if it has subscribed its topic; without a connection it is lost. */
  send(topic: string, payload: Payload): void {
    this.#connection.send(topic, bytesOf(checkPayload('payload', payload)));
  }

  /** The device refuses a message or is refused a subscription, as its `refused` event tells. */
  refuse(code: ErrorCode, detail = ''): void {
    this.#connection.refuse(code, detail);
  }

  #jobOf(module: string, id: string): FakeJob | undefined {
    const task = this.#tasks.get(module);
    if (task === undefined || task.state === 'succeeded' || task.state === 'failed') return;
    return new FakeJob(id, task.notice, task.script);
  }

  #onVersion(version: string, module: string): void {
    (this.versions as FakeVersion[]).push({ version, module: module || undefined });
    const task = this.#tasks.get(module);
    if (task?.notice.version === version) task.state = 'succeeded';
  }

  #onStep(step: number, desc: string, module: string): void {
    (this.steps as FakeStep[]).push({ step, desc, module: module || undefined });
    const task = this.#tasks.get(module);
    if (task?.state === 'pushed' || task?.state === 'upgrading') {
      task.state = step < 0 ? 'failed' : 'upgrading';
    }
  }
}

interface FakeConnectionHost {
  onVersion(version: string, module: string): void;
  onStep(step: number, desc: string, module: string): void;
  onMessage(message: FakeMessage): void;
  /** The unfinished upgrade of a module. */
  jobOf(module: string, id: string): FakeJob | undefined;
  config(): FakeConfig | undefined;
  clockOffset(): number;
  onConfigAnswer(answer: FakeConfigAnswer): void;
}

/** What the addon is to a Device. */
class FakeConnection implements NativeDevice {
  readonly #host: FakeConnectionHost;
  #listener: DeviceListener | undefined;
  #isConnected = false;
  #connects = 0;
  #lastId = 0;
  /** Which configuration was pushed with which message. */
  readonly #pushed = new Map<string, string>();
  /** The filters that are subscribed, by the ids of their subscriptions. */
  readonly #filters = new Map<number, string>();
  /** What is not read at present. */
  readonly #unread: (() => void)[] = [];
  #isHeld = false;
  /** Version reports, which wait for a connection. */
  readonly #unsent: (() => void)[] = [];

  constructor(host: FakeConnectionHost) {
    this.#host = host;
  }

  open(listener: DeviceListener): this {
    this.#listener = listener;
    return this;
  }

  connect(): void {
    this.#isConnected = true;
    this.#connects += 1;
    this.#listener?.onState(states.connected, 0, '', this.#connects, false);
    for (const send of this.#unsent.splice(0)) later(send);
  }

  disconnect(code: ErrorCode): void {
    this.#isConnected = false;
    const { errno } = new IotkitError(code);
    this.#listener?.onState(states.waiting, errno, '', this.#connects, false);
  }

  push(module: string): void {
    const job = this.#host.jobOf(module, this.#nextId());
    if (this.#isConnected && job !== undefined) this.#listener?.onUpgrade(job);
  }

  refuse(code: ErrorCode, detail: string): void {
    this.#listener?.onRefused(new IotkitError(code).errno, detail, '');
  }

  reportVersion(version: string, module: string): number {
    this.#lastId += 1;
    const packetId = this.#lastId;
    const send = (): void => {
      this.#host.onVersion(version, module);
      this.#listener?.onPublished(packetId, 0, '');
    };
    if (this.#isConnected) later(send);
    else this.#unsent.push(send);
    return packetId;
  }

  reportProgress(step: number, desc: string, module: string): number {
    if (!this.#isConnected) return new IotkitError('ERR_NOT_CONNECTED').errno;
    this.#host.onStep(step, desc, module);
    return 0;
  }

  request(module: string): string | number {
    if (!this.#isConnected) return new IotkitError('ERR_NOT_CONNECTED').errno;
    const id = this.#nextId();
    later(() => {
      const job = this.#host.jobOf(module, id);
      if (job === undefined) this.#listener?.onNothing(id);
      else this.#listener?.onUpgrade(job);
    });
    return id;
  }

  pushConfig(): void {
    const config = this.#host.config();
    if (!this.#isConnected || config === undefined) return;
    const id = this.#nextId();
    this.#pushed.set(id, config.configId);
    this.#listener?.onConfig(configJob(id, config), { ...config, pushed: true });
  }

  requestConfig(): string | number {
    if (!this.#isConnected) return new IotkitError('ERR_NOT_CONNECTED').errno;
    const id = this.#nextId();
    later(() => {
      const config = this.#host.config();
      if (config === undefined) this.#listener?.onConfigNothing(id);
      else this.#listener?.onConfig(configJob(id, config), config);
    });
    return id;
  }

  answerConfig(pushId: string, code: number, message: string): number {
    if (!this.#isConnected) return new IotkitError('ERR_NOT_CONNECTED').errno;
    const configId = this.#pushed.get(pushId) ?? '';
    this.#host.onConfigAnswer({ configId, code, message });
    return 0;
  }

  requestTime(): string | number {
    if (!this.#isConnected) return new IotkitError('ERR_NOT_CONNECTED').errno;
    const id = this.#nextId();
    later(() => {
      const offset = this.#host.clockOffset();
      const reading = { time: Date.now() + offset, at: 0, offset, uncertainty: 1 };
      this.#listener?.onTime(reading, id);
    });
    return id;
  }

  publish(topic: string, payload: string | Uint8Array, qos: number, retain: boolean): number {
    if (!this.#isConnected) return new IotkitError('ERR_NOT_CONNECTED').errno;
    this.#host.onMessage({ topic, payload: bytesOf(payload), qos: qos as Qos, retain });
    if (qos === 0) return 0;
    this.#lastId += 1;
    const packetId = this.#lastId;
    later(() => this.#listener?.onPublished(packetId, 0, ''));
    return packetId;
  }

  subscribe(id: number, filter: string, qos: number): number {
    this.#filters.set(id, filter);
    this.#lastId += 1;
    const packetId = this.#lastId;
    later(() => this.#listener?.onSubscribed(packetId, qos, 0, ''));
    return packetId;
  }

  unsubscribe(id: number): void {
    this.#filters.delete(id);
  }

  holdReading(held: boolean): void {
    this.#isHeld = held;
    while (!this.#isHeld) {
      const read = this.#unread.shift();
      if (read === undefined) return;
      read();
    }
  }

  send(topic: string, payload: Uint8Array): void {
    if (!this.#isConnected) return;
    this.#unread.push(() => {
      for (const [id, filter] of this.#filters) {
        if (!filterMatches(filter, topic)) continue;
        const heads = Uint32Array.of(id, 0, 0, payload.length);
        this.#listener?.onMessages(heads.buffer, [topic], payload.slice().buffer);
      }
    });
    this.holdReading(this.#isHeld);
  }

  setBandwidthLimit(): void {}

  close(): void {
    this.#isConnected = false;
    later(() => {
      const listener = this.#listener;
      this.#listener = undefined;
      listener?.onClosed();
    });
  }

  ref(): void {}
  unref(): void {}

  #nextId(): string {
    this.#lastId += 1;
    return String(this.#lastId);
  }
}

function configJob(id: string, { configId, data }: FakeConfig): FakeJob {
  return new FakeJob(id, { version: configId, data }, { failures: [], retries: [] });
}

function bytesOf(payload: string | Uint8Array): Uint8Array<ArrayBuffer> {
  return typeof payload === 'string' ? new TextEncoder().encode(payload) : new Uint8Array(payload);
}

/** After what runs now, whatever timers a test has replaced. */
function later(call: () => void): void {
  Promise.resolve().then(call);
}

function moduleKey(module: string | undefined): string {
  return module === undefined || module === 'default' ? '' : module;
}
