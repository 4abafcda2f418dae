import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http';
import parseRange from 'range-parser';
import type { Strike } from '../faults/faults';
import type { Firmware } from '../types/firmware';
import type { Body } from './body';
import { isMatched, isWithin, type ObjectStoreRules } from './object-store';

/** What is served: a file, its validators and its id. */
export interface Image extends Pick<Firmware, 'id' | 'size' | 'md5' | 'createdAt'> {
  /** What it belongs to, for faults and events: a firmware of several files, else itself. */
  readonly owner: string;
  /** Of one of several files. */
  readonly name?: string;
}

/** Faults that change an answer; those that replace it are in server.ts. */
export const BODY_FAULTS = [
  'http-drop',
  'http-stall',
  'http-corrupt',
  'http-short-body',
  'http-short-length',
  'http-long-body',
  'http-ignore-range',
  'http-wrong-content-range',
  'http-chunked',
  'http-slow',
  'http-no-etag',
  'http-etag',
  'http-headers',
] as const;

export type BodyFault = Strike<(typeof BODY_FAULTS)[number]>;

/** An answer with the file or a part of it. */
export interface Answer {
  readonly status: 200 | 206 | 304 | 412 | 416;
  readonly headers: OutgoingHttpHeaders;
  readonly body?: Body;
}

type Mutable<T> = { -readonly [Name in keyof T]: T[Name] };

/**
 * What to answer to a request for a firmware: RFC 9110 for one range, or the object store's way
 * with a bad one, and then the faults.
 */
export function answer(
  request: IncomingMessage,
  image: Image,
  path: string,
  faults: readonly BodyFault[],
  { badRange }: Pick<ObjectStoreRules, 'badRange'>,
): Answer {
  const headers = baseHeaders(image, faults);
  if (!isMatched(request.headers['if-match'], String(headers.etag))) {
    return { status: 412, headers };
  }
  if (matches(request.headers['if-none-match'], String(headers.etag))) {
    return { status: 304, headers };
  }
  const isBad = badRange === 'whole' && !isWithin(request.headers.range ?? '', image.size);
  const ignoreRange = isBad || faults.some(({ kind }) => kind === 'http-ignore-range');
  const range = ignoreRange ? undefined : rangeOf(request, image, headers);
  if (range === 'unsatisfiable') {
    return { status: 416, headers: { ...headers, 'content-range': `bytes */${image.size}` } };
  }
  const { start, end } = range ?? { start: 0, end: image.size };
  headers['content-length'] = end - start;
  if (range !== undefined) headers['content-range'] = `bytes ${start}-${end - 1}/${image.size}`;
  const body: Mutable<Body> = { path, start, end };
  for (const fault of faults) applyFault(fault, headers, body);
  return { status: range === undefined ? 200 : 206, headers, body };
}

function baseHeaders(image: Image, faults: readonly BodyFault[]): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {
    'content-type': 'application/octet-stream',
    'accept-ranges': 'bytes',
    etag: `"${image.md5.toUpperCase()}"`,
    'last-modified': new Date(image.createdAt).toUTCString(),
  };
  for (const fault of faults) {
    if (fault.kind === 'http-etag') headers.etag = fault.etag;
    if (fault.kind !== 'http-no-etag') continue;
    delete headers.etag;
    delete headers['last-modified'];
  }
  return headers;
}

/** The one range asked for; undefined for the whole file, which also answers several ranges. */
function rangeOf(
  request: IncomingMessage,
  image: Image,
  headers: OutgoingHttpHeaders,
): { start: number; end: number } | 'unsatisfiable' | undefined {
  const { range } = request.headers;
  if (range === undefined || !ifRange(request.headers['if-range'], headers)) return undefined;
  const ranges = parseRange(image.size, range);
  if (ranges === -1) return 'unsatisfiable';
  if (ranges === -2 || ranges.type !== 'bytes' || ranges.length !== 1) return undefined;
  const [first] = ranges;
  return first && { start: first.start, end: first.end + 1 };
}

/** Whether a range may be answered: no condition, or one that names what is stored. */
function ifRange(condition: unknown, headers: OutgoingHttpHeaders): boolean {
  if (condition === undefined) return true;
  return condition === headers.etag || condition === headers['last-modified'];
}

function matches(condition: string | undefined, etag: string): boolean {
  if (condition === undefined) return false;
  const tags = condition.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.includes(etag) || tags.includes('*');
}

function applyFault(fault: BodyFault, headers: OutgoingHttpHeaders, body: Mutable<Body>): void {
  const length = body.end - body.start;
  switch (fault.kind) {
    case 'http-drop':
      body.stopAfter = fault.afterBytes;
      body.ending = 'destroy';
      break;
    case 'http-stall':
      body.stopAfter = fault.afterBytes;
      body.ending = 'stall';
      break;
    case 'http-short-body':
      body.stopAfter = Math.max(0, length - fault.missingBytes);
      body.ending = 'end-connection';
      break;
    case 'http-short-length':
      body.end = Math.max(body.start, body.end - fault.missingBytes);
      headers['content-length'] = body.end - body.start;
      break;
    case 'http-long-body':
      body.extraBytes = fault.extraBytes;
      headers['content-length'] = length + fault.extraBytes;
      break;
    case 'http-corrupt':
      body.corruptAt = fault.offset;
      break;
    case 'http-slow':
      body.bytesPerSecond = fault.bytesPerSecond;
      break;
    case 'http-chunked':
      delete headers['content-length'];
      if (fault.chunkBytes !== undefined) body.chunkBytes = fault.chunkBytes;
      break;
    case 'http-wrong-content-range':
      shiftRange(headers, fault.shift);
      break;
    case 'http-headers':
      for (let i = 0; i < fault.count; i++) headers[`x-padding-${i}`] = 'x'.repeat(fault.bytes);
      break;
    default:
      break;
  }
}

function shiftRange(headers: OutgoingHttpHeaders, shift: number): void {
  const parts = /^bytes (\d+)-(\d+\/\d+)$/.exec(String(headers['content-range']));
  if (parts === null) return;
  headers['content-range'] = `bytes ${Math.max(0, Number(parts[1]) + shift)}-${parts[2]}`;
}
