// Tested by platform/test/identities/registration.test.ts

import { createHmac, timingSafeEqual } from 'node:crypto';

/** What devices call the methods, in lower case. */
const HASHES: ReadonlyMap<string, string> = new Map([
  ['hmacmd5', 'md5'],
  ['hmacsha1', 'sha1'],
  ['hmacsha256', 'sha256'],
  ['sha256', 'sha256'],
]);

/** Whether a signature can be checked by this method, in whatever case it is spelled. */
export function isSignMethod(method: string): boolean {
  return HASHES.has(method.toLowerCase());
}

/** Lower-case hex HMAC over the names in their order, each followed by its value. */
export function signatureOf(
  method: string,
  secret: string,
  fields: Readonly<Record<string, string>>,
): string {
  const content = Object.keys(fields)
    .sort()
    .map((name) => name + fields[name])
    .join('');
  const hash = HASHES.get(method.toLowerCase()) ?? 'md5';
  return createHmac(hash, secret).update(content).digest('hex');
}

/** Compares what was given with what is right; the time taken says nothing of either. */
export function isSame(given: string, right: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(right)];
  return a.length === b.length && timingSafeEqual(a, b);
}
