/**
 * This room is the device's log as the platform takes it: device-logs.ts uploads entries and hears
 * whether the platform wants them; log-tail.ts keeps the last ones until somebody does. It may import
 * base and messaging; of the device it knows {@link LogsHost}. The topics, the limit of 40 entries, the
 * levels and the switch are the platform's: "Device log report" of its documentation; an entry of 4,096
 * bytes is what the vendor's SDK keeps to.
 */
import {
  abortSignal,
  callback,
  options as checkOptions,
  integer,
  oneOf,
  optional,
  orElse,
  outOfRange,
  text,
  wrongType,
} from '../base/arguments';
import { IotkitError } from '../base/errors';
import { callBack, type Subscription } from '../base/listeners';
import type { Message } from '../messaging/message';
import type { RequestOptions, SubscribeOptions } from '../messaging/messaging';
import type { Reply, RequestBody } from '../messaging/requests';
import type { TopicSubscription } from '../messaging/subscription-feed';

/** How grave an entry is, the gravest first. */
export type LogLevel = 'fatal' | 'error' | 'warn' | 'info' | 'debug';

/** One entry of a device's log. */
export interface LogEntry {
  /** How grave it is. */
  readonly level: LogLevel;
  /** What it says. An entry of more than 4,096 bytes is uploaded as several. */
  readonly content: string;
  /** The part of the program that says it, 1-64 characters. Default `app`. */
  readonly module?: string | undefined;
  /** The program's own number or name for it, 1-64 characters. Default `0`. */
  readonly code?: string | number | undefined;
  /** What belongs together has the same, 1-64 characters. */
  readonly trace?: string | undefined;
  /** When it was: milliseconds since 1970 UTC. Default: now. */
  readonly time?: number | undefined;
}

/** What {@link DeviceLogs.wanted} takes. */
export interface LogsOptions {
  /** Milliseconds to wait for each answer, 1-3,600,000. Default 10,000. */
  readonly timeout?: number | undefined;
  /** Ends the wait; its reason is what the call rejects with. */
  readonly signal?: AbortSignal | undefined;
}

/** What {@link DeviceLogs.post} takes. */
export interface PostLogsOptions extends LogsOptions {
  /**
   * Hears after each message how many of the entries, from the first one on, the platform has taken. After a
   * failure the others can be uploaded; those of the message whose answer has not come may come twice.
   */
  readonly onTaken?: ((entries: number) => void) | undefined;
}

/** @internal What it needs of its device. */
export interface LogsHost {
  readonly productKey: string;
  readonly deviceName: string;
  request(topic: string, body: RequestBody, options?: RequestOptions): Promise<Reply>;
  subscribe(filter: string, options?: SubscribeOptions): Promise<TopicSubscription>;
  /** Hears of an error that nobody awaits. */
  onLostError(error: IotkitError): void;
}

const levels = ['fatal', 'error', 'warn', 'info', 'debug'] as const;
const entryKeys = ['level', 'content', 'module', 'code', 'trace', 'time'] as const;
const MAX_ENTRIES = 40;
const MAX_CONTENT_BYTES = 4096;
/** Below the platform's 256 KiB, with room for what is around the entries. */
const MAX_MESSAGE_BYTES = 200 * 1024;
/** Of a `Date`. */
const MAX_TIME = 8.64e15;
const DEFAULT_TIMEOUT_MS = 10_000;

/** An entry in the platform's words. */
interface WireEntry {
  readonly utcTime: string;
  readonly logLevel: string;
  readonly module: string;
  readonly code: string;
  readonly traceContext?: string;
  readonly logContent: string;
}

/** The log of a device on the platform: `device.logs`. */
export class DeviceLogs {
  readonly #device: LogsHost;

  /** @internal */
  constructor(device: LogsHost) {
    this.#device = device;
  }

  /**
   * Uploads entries, and resolves when the platform has taken all of them: in messages of at most 40
   * entries, one after the other. Whether the platform wants them is not asked: that is
   * {@link DeviceLogs.wanted}. A secret has no place in a log.
   *
   * @throws {@link InvalidArgument} before anything is sent; {@link IotkitError} `ERR_NOTICE_CODE` (the
   *   platform refuses an entry), `ERR_TIMEOUT`, and the errors of `device.request()`; the signal's
   *   reason. Entries of messages before the failed one have been taken.
   *
   * @example
   * await device.logs.post([{ level: 'error', module: 'camera', code: 7, content: 'no picture' }]);
   */
  async post(entries: readonly LogEntry[], options?: PostLogsOptions): Promise<void> {
    if (!Array.isArray(entries)) throw wrongType('entries', 'an array', entries);
    const wire = entries.map((entry, i) => toWire(`entries[${i}]`, entry));
    const checked = checkLogsOptions(options, ['onTaken']);
    const onTaken = optional(options?.onTaken, (listener) => callback('onTaken', listener));
    /** How many pieces there are up to the end of each entry. */
    const ends = [...sums(wire.map(({ length }) => length))];
    let sent = 0;
    for (const params of inMessages(wire.flat())) {
      await this.#request('log/post', { method: 'thing.log.post', params }, checked);
      sent += params.length;
      const taken = ends.findLastIndex((end) => end <= sent) + 1;
      if (onTaken !== undefined) callBack(onTaken, taken);
    }
  }

  /**
   * Asks the platform whether the device's log is wanted, which an operator switches on and off.
   *
   * @throws {@link InvalidArgument}; {@link IotkitError} `ERR_NOTICE_CODE`, `ERR_NOTICE_FIELD` (the
   *   answer does not say), `ERR_TIMEOUT`, and the errors of `device.request()`; the signal's reason.
   */
  async wanted(options?: LogsOptions): Promise<boolean> {
    const params = { configScope: 'device', getType: 'content' };
    const { data } = await this.#request(
      'config/log/get',
      { method: 'thing.config.log.get', params },
      checkLogsOptions(options),
    );
    const isWanted = wantedBy(data);
    if (isWanted !== undefined) return isWanted;
    throw new IotkitError('ERR_NOTICE_FIELD', 'data.content.mode is neither 0 nor 1');
  }

  /**
   * Calls `listener` whenever an operator switches the upload of logs on (`true`) or off, until the
   * subscription is ended. Resolves when it is subscribed. To know how it stands before the first
   * change, and after the device was away, ask {@link DeviceLogs.wanted}. What the listener throws is
   * an uncaught exception.
   *
   * @throws {@link InvalidArgument}, the errors of `device.subscribe()`.
   */
  async onWanted(listener: (wanted: boolean) => void): Promise<Subscription> {
    callback('listener', listener);
    const pushes = await this.#device.subscribe(this.#topic('config/log/push'));
    const read = async (): Promise<void> => {
      for await (const push of pushes) {
        const isWanted = wantedBy(paramsOf(push));
        if (isWanted !== undefined) callBack(listener, isWanted);
      }
    };
    read().catch((error: IotkitError) => this.#device.onLostError(error));
    const off = (): void => void pushes.return();
    return { off, [Symbol.dispose]: off };
  }

  #request(tail: string, body: RequestBody, options: RequestOptions): Promise<Reply> {
    return this.#device.request(this.#topic(tail), body, options);
  }

  #topic(tail: string): string {
    const { productKey, deviceName } = this.#device;
    return `/sys/${productKey}/${deviceName}/thing/${tail}`;
  }
}

/** An entry with its defaults. */
interface CheckedEntry {
  readonly level: LogLevel;
  readonly content: string;
  readonly module: string;
  readonly code: string;
  readonly trace: string | undefined;
  readonly time: number;
}

/** Throws an {@link InvalidArgument} that begins with `name`. */
export function checkEntry(name: string, entry: LogEntry): CheckedEntry {
  if (typeof entry !== 'object' || entry === null) throw wrongType(name, 'an object', entry);
  const given = checkOptions<LogEntry>(name, entry, entryKeys);
  const time = orElse<number>(given.time, Date.now());
  if (typeof time !== 'number') throw wrongType(`${name}.time`, 'milliseconds', time);
  if (!(Math.abs(time) <= MAX_TIME)) throw outOfRange(`${name}.time`, 'milliseconds', time);
  const code = typeof given.code === 'number' ? String(given.code) : orElse(given.code, '0');
  return {
    level: oneOf(`${name}.level`, given.level, levels),
    content: text(`${name}.content`, given.content, { min: 0, max: 1_000_000 }),
    module: text(`${name}.module`, orElse<string>(given.module, 'app'), { max: 64 }),
    code: text(`${name}.code`, code, { max: 64 }),
    trace: optional(given.trace, (trace) => text(`${name}.trace`, trace, { max: 64 })),
    time,
  };
}

function toWire(name: string, entry: LogEntry): WireEntry[] {
  const { level, content, module, code, trace, time } = checkEntry(name, entry);
  const head = {
    utcTime: new Date(time).toISOString().replace('Z', '+0000'),
    logLevel: level.toUpperCase(),
    module,
    code,
    ...(trace !== undefined && { traceContext: trace }),
  };
  return pieces(content).map((logContent) => ({ ...head, logContent }));
}

/** Of at most 4,096 bytes each, cut between characters. */
function pieces(content: string): string[] {
  if (Buffer.byteLength(content) <= MAX_CONTENT_BYTES) return [content];
  const cut: string[] = [];
  let piece = '';
  let bytes = 0;
  for (const character of content) {
    const more = Buffer.byteLength(character);
    if (bytes + more > MAX_CONTENT_BYTES) {
      cut.push(piece);
      piece = '';
      bytes = 0;
    }
    piece += character;
    bytes += more;
  }
  return [...cut, piece];
}

function inMessages(entries: readonly WireEntry[]): WireEntry[][] {
  const messages: WireEntry[][] = [];
  let bytes = 0;
  for (const entry of entries) {
    const more = Buffer.byteLength(JSON.stringify(entry)) + 1;
    const last = messages.at(-1);
    if (last === undefined || last.length === MAX_ENTRIES || bytes + more > MAX_MESSAGE_BYTES) {
      messages.push([entry]);
      bytes = more;
    } else {
      last.push(entry);
      bytes += more;
    }
  }
  return messages;
}

function* sums(numbers: readonly number[]): Generator<number> {
  let sum = 0;
  for (const number of numbers) {
    sum += number;
    yield sum;
  }
}

function checkLogsOptions(
  options: PostLogsOptions | undefined,
  more: readonly 'onTaken'[] = [],
): RequestOptions {
  const given = checkOptions('options', options, ['timeout', 'signal', ...more]);
  return {
    timeout: integer('timeout', orElse(given.timeout, DEFAULT_TIMEOUT_MS), {
      min: 1,
      max: 3_600_000,
    }),
    signal: abortSignal('signal', given.signal),
  };
}

/** What `{"getType": "content", "content": {"mode": 0 or 1}}` says; undefined: it says nothing. */
function wantedBy(data: unknown): boolean | undefined {
  const mode = Object(Object(data).content).mode;
  if (mode === 1 || mode === '1') return true;
  return mode === 0 || mode === '0' ? false : undefined;
}

function paramsOf(push: Message): unknown {
  try {
    return Object(push.json()).params;
  } catch {
    return undefined;
  }
}
