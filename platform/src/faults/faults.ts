// faults/: what goes wrong on request. It counts and decides; the rooms that misbehave ask it.
// Imports base.

import { randomBytes } from 'node:crypto';
import { invalid, PlatformError } from '../base/errors';
import type { Fault, FaultKind, FaultRecord } from './fault-types';

/** A moment at which something may go wrong; the scope of a fault is compared with it. */
export interface Occasion {
  readonly firmwareId?: string;
  readonly deviceName?: string;
  /** What the device's connection has just done; compared with that of `mqtt-drop`. */
  readonly on?: 'connect' | 'publish' | 'notice';
  /** Which message of its QoS it is in the present second; compared with `mqtt-rate-limit`. */
  readonly message?: { readonly qos: number; readonly count: number };
  /** What a gateway asks for; compared with that of the gateway's faults. */
  readonly request?: string;
}

/** A fault that strikes, narrowed to the kinds that were asked for. */
export type Strike<Kind extends FaultKind> = Extract<FaultRecord, { kind: Kind }>;

interface Entry {
  readonly id: string;
  readonly fault: Fault;
  hits: number;
  passed: number;
}

const POSITIVE = new Set([
  'times',
  'hops',
  'bytesPerSecond',
  'chunkBytes',
  'count',
  'bytes',
  'blocks',
  'qos0',
  'qos1',
]);
const NOT_NEGATIVE = new Set([
  'skip',
  'afterBytes',
  'offset',
  'missingBytes',
  'extraBytes',
  'retryAfterSeconds',
]);
const WHOLE = new Set(['delta', 'shift', 'status', 'returnCode', 'code']);

/** Members each kind must have. */
const REQUIRED: Readonly<Record<FaultKind, readonly string[]>> = {
  'http-status': ['status'],
  'http-drop': ['afterBytes'],
  'http-stall': ['afterBytes'],
  'http-no-answer': [],
  'http-corrupt': ['offset'],
  'http-short-body': ['missingBytes'],
  'http-short-length': ['missingBytes'],
  'http-long-body': ['extraBytes'],
  'http-redirect': [],
  'http-expired': [],
  'http-ignore-range': [],
  'http-wrong-content-range': ['shift'],
  'http-chunked': [],
  'http-slow': ['bytesPerSecond'],
  'http-no-etag': [],
  'http-etag': ['etag'],
  'http-headers': ['count', 'bytes'],
  'notice-digest': [],
  'notice-size': ['delta'],
  'notice-malformed': [],
  'notice-patch': ['data'],
  'notice-lost': [],
  'mqtt-drop': ['on'],
  'mqtt-refuse': ['returnCode'],
  'mqtt-no-puback': [],
  'mqtt-rate-limit': [],
  'mqtt-block-lost': [],
  'mqtt-block-duplicate': [],
  'mqtt-block-corrupt': [],
  'mqtt-block-error': [],
  'mqtt-block-late': [],
  'mqtt-block-patch': ['data'],
  'gateway-error': ['code'],
  'gateway-lost': [],
  'gateway-rate': [],
};

const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];

/** All kinds, for schemas and help texts. */
export const FAULT_KINDS = Object.keys(REQUIRED) as FaultKind[];

/**
 * Faults set at run time. Each occasion that fits counts against every fault of the kind asked for.
 */
export class Faults {
  readonly #entries = new Map<string, Entry>();
  readonly #unsupported: (kind: FaultKind) => string | undefined;

  /** `unsupported` says why a kind cannot strike this platform; undefined when it can. */
  constructor(unsupported: (kind: FaultKind) => string | undefined = () => undefined) {
    this.#unsupported = unsupported;
  }

  /** Sets a fault and returns its id. */
  set(fault: Fault): string {
    check(fault);
    const reason = this.#unsupported(fault.kind);
    if (reason !== undefined) throw new PlatformError('ERR_FAULT_UNSUPPORTED', reason);
    const id = randomBytes(6).toString('hex');
    this.#entries.set(id, { id, fault: structuredClone(fault), hits: 0, passed: 0 });
    return id;
  }

  remove(id: string): void {
    if (!this.#entries.delete(id)) {
      throw new PlatformError('ERR_FAULT_UNKNOWN', `there is no fault ${id}`);
    }
  }

  clear(): void {
    this.#entries.clear();
  }

  list(): FaultRecord[] {
    return [...this.#entries.values()].map(toRecord);
  }

  /**
   * The faults of these kinds that strike now, oldest first, at most `limit`; for those beyond it
   * the occasion does not count. Spent faults stay listed and strike no more.
   */
  strike<Kind extends FaultKind>(
    kinds: readonly Kind[],
    occasion: Occasion,
    limit = Number.POSITIVE_INFINITY,
  ): Strike<Kind>[] {
    const struck: Strike<Kind>[] = [];
    for (const entry of this.#entries.values()) {
      if (struck.length >= limit) break;
      if (!(kinds as readonly FaultKind[]).includes(entry.fault.kind)) continue;
      if (!matches(entry.fault, occasion)) continue;
      if (entry.passed < (entry.fault.skip ?? 0)) {
        entry.passed++;
        continue;
      }
      if (entry.hits >= (entry.fault.times ?? Number.POSITIVE_INFINITY)) continue;
      entry.hits++;
      struck.push(toRecord(entry) as Strike<Kind>);
    }
    return struck;
  }
}

function toRecord({ id, fault, hits }: Entry): FaultRecord {
  return { ...fault, id, hits };
}

function matches(fault: Fault, occasion: Occasion): boolean {
  if (fault.firmwareId !== undefined && fault.firmwareId !== occasion.firmwareId) return false;
  if (fault.kind === 'mqtt-drop' && fault.on !== occasion.on) return false;
  if (fault.kind === 'mqtt-rate-limit' && !isOverRate(fault, occasion)) return false;
  if ('request' in fault && fault.request !== occasion.request) return false;
  return fault.deviceName === undefined || fault.deviceName === occasion.deviceName;
}

function isOverRate(
  { qos0 = 30, qos1 = 10 }: Extract<Fault, { kind: 'mqtt-rate-limit' }>,
  { message }: Occasion,
): boolean {
  return message !== undefined && message.count > (message.qos === 0 ? qos0 : qos1);
}

function check(fault: Fault): void {
  if (!Object.hasOwn(REQUIRED, fault.kind)) {
    throw invalid(`fault.kind must be one of ${FAULT_KINDS.join(', ')}`);
  }
  for (const name of REQUIRED[fault.kind]) {
    if (!(name in fault)) throw invalid(`a fault of kind ${fault.kind} needs ${name}`);
  }
  for (const [name, value] of Object.entries(fault)) checkMember(name, value);
  if (fault.kind === 'http-status' && (fault.status < 200 || fault.status > 599)) {
    throw invalid('fault.status must be 200-599');
  }
  if (fault.kind === 'http-redirect' && !REDIRECTS.includes(fault.status ?? 302)) {
    throw invalid('fault.status must be 301, 302, 303, 307 or 308');
  }
  if (fault.kind === 'mqtt-refuse' && (fault.returnCode < 2 || fault.returnCode > 5)) {
    throw invalid('fault.returnCode must be 2-5');
  }
  if (fault.kind === 'mqtt-drop' && !['connect', 'publish', 'notice'].includes(fault.on)) {
    throw invalid('fault.on must be connect, publish or notice');
  }
}

function checkMember(name: string, value: unknown): void {
  const least = POSITIVE.has(name) ? 1 : NOT_NEGATIVE.has(name) ? 0 : undefined;
  if (least === undefined && !WHOLE.has(name)) return;
  if (!Number.isSafeInteger(value)) throw invalid(`fault.${name} must be a whole number`);
  if (least !== undefined && (value as number) < least) {
    throw invalid(`fault.${name} must be at least ${least}`);
  }
}
