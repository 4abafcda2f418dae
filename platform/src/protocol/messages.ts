// protocol/: the wire formats as pure functions, a file for each family of messages; and the
// contract with the transport: a broker (broker.ts), and the way to it for the rooms above
// (connections.ts). Imports base, faults (types), types, devices (names), events.

import { isVersion, normalModule } from '../devices/names';

/** A payload that is not what the protocol says; the message is the reason. */
export class BadMessage extends Error {
  override readonly name = 'BadMessage';
  /** The message's id, if that much could be read. */
  readonly id: string | number | undefined;

  constructor(reason: string, id?: string | number) {
    super(reason);
    this.id = id;
  }
}

export interface Inform {
  readonly id: string | number;
  readonly version: string;
  readonly module: string | undefined;
}

export interface ProgressReport {
  readonly id: string | number;
  /** 0…100, or -1…-4. */
  readonly step: number;
  readonly desc: string;
  readonly module: string | undefined;
}

export interface PullRequest {
  readonly id: string | number;
  readonly module: string | undefined;
}

interface Envelope {
  readonly id: string | number;
  readonly params: Readonly<Record<string, unknown>>;
}

type JsonObject = Readonly<Record<string, unknown>>;

const STEP = /^(?:100|[1-9]?[0-9]|-[1-4])$/;
const MAX_ID = 2 ** 32 - 1;
const MAX_DESC = 1024;

export function parseInform(payload: Buffer): Inform {
  const { id, params } = parseEnvelope(payload);
  if (!isVersion(params.version)) {
    throw new BadMessage('params.version must be 1-64 letters, digits, ".", "-", "_"', id);
  }
  return { id, version: params.version, module: parseModule(params, id) };
}

export function parseProgress(payload: Buffer): ProgressReport {
  const { id, params } = parseEnvelope(payload);
  const step = typeof params.step === 'number' ? String(params.step) : params.step;
  if (typeof step !== 'string' || !STEP.test(step)) {
    throw new BadMessage('params.step must be "0"…"100" or "-1"…"-4"', id);
  }
  const desc = params.desc ?? '';
  if (typeof desc !== 'string') throw new BadMessage('params.desc must be a string', id);
  return {
    id,
    step: Number(step),
    desc: desc.slice(0, MAX_DESC),
    module: parseModule(params, id),
  };
}

/** `params` may be left out of a pull. */
export function parsePull(payload: Buffer): PullRequest {
  const { id, params } = parseEnvelope(payload, {});
  return { id, module: parseModule(params, id) };
}

/** Whether this is one of the platform's own messages, seen on a topic used both ways. */
export function isOwnNotice(payload: Buffer): boolean {
  try {
    const message = parseJson(payload);
    return isObject(message) && 'code' in message && 'data' in message;
  } catch {
    return false;
  }
}

/** A string, or a comma that only an end follows. */
const STRING_OR_TRAILING_COMMA = /"(?:[^"\\]|\\.)*"|,(?=\s*[}\]])/g;

/** JSON as devices write it: the vendor's SDK leaves a comma after the last member. */
export function parseJson(payload: Buffer): unknown {
  const text = payload.toString('utf8');
  try {
    return JSON.parse(text);
  } catch {
    // The second look is for the few that need it.
  }
  try {
    return JSON.parse(
      text.replace(STRING_OR_TRAILING_COMMA, (match) => (match === ',' ? '' : match)),
    );
  } catch {
    throw new BadMessage('the payload is not JSON');
  }
}

export function parseEnvelope(payload: Buffer, defaultParams?: JsonObject): Envelope {
  const message = parseJson(payload);
  if (!isObject(message)) throw new BadMessage('the payload is not an object');
  const { id } = message;
  if (!isMessageId(id)) throw new BadMessage('id must be a decimal number 0…4294967295');
  const params = unquoted(message.params) ?? defaultParams;
  if (!isObject(params)) throw new BadMessage('params must be an object', id);
  return { id, params };
}

/** The vendor's SDK sends some params as a string of JSON. */
function unquoted(params: unknown): unknown {
  if (typeof params !== 'string') return params;
  try {
    return parseJson(Buffer.from(params));
  } catch {
    return params;
  }
}

function parseModule(params: JsonObject, id: string | number): string | undefined {
  const { module } = params;
  if (module === undefined || module === '') return undefined;
  if (!isVersion(module)) {
    throw new BadMessage('params.module must be 1-64 letters, digits, ".", "-", "_"', id);
  }
  return normalModule(module);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function isMessageId(id: unknown): id is string | number {
  if (typeof id === 'string') return /^[0-9]{1,10}$/.test(id) && Number(id) <= MAX_ID;
  return typeof id === 'number' && Number.isInteger(id) && id >= 0 && id <= MAX_ID;
}
