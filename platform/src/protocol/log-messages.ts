import type { LogEntry, LogLevel } from '../types/log';
import { BadMessage, isMessageId, isObject, parseEnvelope, parseJson } from './messages';

type Id = string | number;

/** The platform's own codes for what it does not take. */
export const CODE_LOG_PARAMETERS = 460;
export const CODE_GET_TYPE = 6717;
export const CODE_CONFIG_SCOPE = 6718;

/** The platform's limit on the entries of a message. */
export const MAX_LOG_ENTRIES = 40;
/** Bytes of an entry's content; the vendor's SDK sends no more. */
export const MAX_LOG_CONTENT = 4096;

const LEVELS: ReadonlySet<unknown> = new Set(['FATAL', 'ERROR', 'WARN', 'INFO', 'DEBUG']);
/** Characters kept of the short members. */
const MAX_NAME = 256;

/** A message about logs that cannot be taken; `code` is what the device is answered with. */
export class BadLogMessage extends BadMessage {
  readonly code: number;

  constructor(reason: string, id: Id | undefined, code: number = CODE_LOG_PARAMETERS) {
    super(reason, id);
    this.code = code;
  }
}

/** Throws a {@link BadLogMessage}: all entries of a message are taken, or none. */
export function parseLogPost(payload: Buffer): {
  readonly id: Id;
  readonly entries: readonly LogEntry[];
} {
  const message = parseJson(payload);
  if (!isObject(message)) throw new BadLogMessage('the payload is not an object', undefined);
  const { id, params } = message;
  if (!isMessageId(id)) {
    throw new BadLogMessage('id must be a decimal number 0…4294967295', undefined);
  }
  if (!Array.isArray(params)) throw new BadLogMessage('params must be an array', id);
  if (params.length === 0 || params.length > MAX_LOG_ENTRIES) {
    throw new BadLogMessage(`params must have 1-${MAX_LOG_ENTRIES} entries`, id);
  }
  return { id, entries: params.map((entry, i) => parseEntry(entry, i, id)) };
}

function parseEntry(entry: unknown, index: number, id: Id): LogEntry {
  const fail = (what: string): never => {
    throw new BadLogMessage(`params[${index}]${what}`, id);
  };
  if (!isObject(entry)) return fail(' must be an object');
  const text = (name: string): string => {
    const value = entry[name];
    return typeof value === 'string' ? value : fail(`.${name} must be a string`);
  };
  const { logLevel, traceContext } = entry;
  if (!LEVELS.has(logLevel)) fail('.logLevel must be FATAL, ERROR, WARN, INFO or DEBUG');
  const logContent = text('logContent');
  if (Buffer.byteLength(logContent) > MAX_LOG_CONTENT) {
    fail(`.logContent must have at most ${MAX_LOG_CONTENT} bytes`);
  }
  if (traceContext !== undefined) text('traceContext');
  return {
    utcTime: text('utcTime').slice(0, MAX_NAME),
    logLevel: logLevel as LogLevel,
    module: text('module').slice(0, MAX_NAME),
    // Devices send a number as well.
    code: (typeof entry.code === 'number' ? String(entry.code) : text('code')).slice(0, MAX_NAME),
    logContent,
    ...(traceContext !== undefined && { traceContext: String(traceContext).slice(0, MAX_NAME) }),
  };
}

/** The time of an entry as the platform has devices write it, or with another zone; without one it is UTC. */
const TIME = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d{1,9})?)(?:Z|([+-]\d\d):?(\d\d))?$/;

/** Milliseconds since the epoch; undefined for a text that is no time. */
export function parseLogTime(text: string): number | undefined {
  const [, date, timeOfDay, hours = '+00', minutes = '00'] = TIME.exec(text) ?? [];
  const time = Date.parse(`${date}T${timeOfDay}${hours}:${minutes}`);
  return Number.isNaN(time) ? undefined : time;
}

/** The id of the question whether logs are wanted. Throws a {@link BadLogMessage}. */
export function parseLogConfigGet(payload: Buffer): Id {
  let envelope: ReturnType<typeof parseEnvelope>;
  try {
    envelope = parseEnvelope(payload);
  } catch (error) {
    const { message, id } = error as BadMessage;
    throw new BadLogMessage(message, id);
  }
  const { id, params } = envelope;
  if (params.configScope !== 'device') {
    throw new BadLogMessage('params.configScope must be "device"', id, CODE_CONFIG_SCOPE);
  }
  if (params.getType !== 'content') {
    throw new BadLogMessage('params.getType must be "content"', id, CODE_GET_TYPE);
  }
  return id;
}

export function logReplyPayload(id: Id): string {
  return JSON.stringify({ id, code: 200, data: {} });
}

export function logErrorPayload({ id, code, message }: BadLogMessage): string {
  return JSON.stringify({ id: id ?? '', code, message, data: {} });
}

export function logConfigReplyPayload(id: Id, isWanted: boolean): string {
  return JSON.stringify({ id, code: 200, data: content(isWanted) });
}

export function logConfigPushPayload(id: string, isWanted: boolean): string {
  return JSON.stringify({
    id,
    version: '1.0',
    params: content(isWanted),
    method: 'thing.config.log.push',
  });
}

function content(isWanted: boolean): object {
  return { getType: 'content', content: { mode: isWanted ? 1 : 0 } };
}
