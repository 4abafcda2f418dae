import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';

/** How closely files are served as the real platform's object store serves them. */
export interface ObjectStoreOptions {
  /**
   * What answers a range that is malformed or reaches past the end. `'whole'`, the default: 200 and
   * the whole object, as the real one. `'refused'`: RFC 9110, so 416 where nothing can be sent.
   */
  readonly badRange?: 'whole' | 'refused';
  /**
   * `'strict'`, the default: HEAD, and headers that the signature of an address would have to cover,
   * are refused, as by the real one. `'lenient'`: they are passed over.
   */
  readonly signedRequests?: 'strict' | 'lenient';
}

/** The same with the defaults. */
export type ObjectStoreRules = Required<ObjectStoreOptions>;

/** An error in the object store's own words. */
export interface StoreError {
  readonly status: number;
  readonly code: string;
  readonly message: string;
}

export const EXPIRED: StoreError = {
  status: 403,
  code: 'AccessDenied',
  message: 'Request has expired.',
};

export const INCOMPLETE: StoreError = {
  status: 403,
  code: 'AccessDenied',
  message: 'Query-string authentication requires Signature, Expires and OSSAccessKeyId.',
};

export const ALTERED: StoreError = {
  status: 403,
  code: 'SignatureDoesNotMatch',
  message: 'The request signature we calculated does not match the signature you provided.',
};

const TWO_SIGNATURES: StoreError = {
  status: 400,
  code: 'InvalidArgument',
  message: 'Only one auth mechanism is allowed.',
};

/**
 * What is wrong with a request for an address that is signed for a plain GET: the signature covers
 * the method, two headers and every `x-oss-…`. Undefined when nothing is.
 */
export function requestFlaw({ method, headers }: IncomingMessage): StoreError | undefined {
  if (headers.authorization !== undefined) return TWO_SIGNATURES;
  const isCovered = (name: string): boolean =>
    name === 'content-type' || name === 'content-md5' || name.startsWith('x-oss-');
  return method !== 'GET' || Object.keys(headers).some(isCovered) ? ALTERED : undefined;
}

/** Whether a range is one that the object store answers as such. */
export function isWithin(range: string, size: number): boolean {
  const [whole, first = '', last = ''] = /^bytes=(\d*)-(\d*)$/.exec(range) ?? [];
  if (whole === undefined || (first === '' && last === '')) return false;
  if (first === '') return Number(last) > 0 && Number(last) <= size;
  if (Number(first) >= size) return false;
  return last === '' || (Number(last) >= Number(first) && Number(last) < size);
}

/** Header names as the object store spells them: some clients compare them to the letter. */
export function spelled<Value>(headers: Readonly<Record<string, Value>>): Record<string, Value> {
  const canonical = (name: string): string =>
    name === 'etag' ? 'ETag' : name.replace(/(?<![a-z])[a-z]/g, (letter) => letter.toUpperCase());
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [canonical(name), value]),
  );
}

/** Whether a condition on the stored object, as If-Match has it, is met. */
export function isMatched(condition: IncomingHttpHeaders['if-match'], etag: string): boolean {
  if (condition === undefined) return true;
  const tags = condition.split(',').map((tag) => tag.trim());
  return tags.includes(etag) || tags.includes('*');
}
