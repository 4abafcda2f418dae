import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../base/clock';

/** What is wrong with an address. */
export type UrlFlaw = 'altered' | 'expired' | 'incomplete';

const SIGNATURE = '&Signature=';
const ACCESS_KEY_ID = 'iotkit-ota-platform';

/**
 * Makes and checks addresses that expire: HMAC-SHA256 over path and parameters, the expiry among
 * them. Pads them to a length when asked, as the platform's carry a long token.
 */
export class UrlSigner {
  readonly #secret: Buffer;
  readonly #clock: Clock;

  constructor(secret: Buffer, clock: Clock) {
    this.#secret = secret;
    this.#clock = clock;
  }

  /** Path and query for `path`, valid for `lifetimeSeconds`. */
  sign(
    path: string,
    lifetimeSeconds: number,
    parameters: Readonly<Record<string, string>> = {},
    minLength = 0,
  ): string {
    const expires = Math.floor(this.#clock.now() / 1000) + lifetimeSeconds;
    const query = new URLSearchParams({
      Expires: String(expires),
      OSSAccessKeyId: ACCESS_KEY_ID,
      ...parameters,
    });
    const bare = `${path}?${query}`;
    const signed = bare + this.#padding(bare, minLength);
    return signed + SIGNATURE + this.#signature(signed);
  }

  /** Undefined when the address is good. The expiry is looked at first, as the real one does. */
  check(target: string): UrlFlaw | undefined {
    const query = new URLSearchParams(target.slice(target.indexOf('?') + 1));
    const cut = target.lastIndexOf(SIGNATURE);
    if (cut < 0 || !query.has('Expires') || !query.has('OSSAccessKeyId')) return 'incomplete';
    if (Number(query.get('Expires')) * 1000 <= this.#clock.now()) return 'expired';
    const signed = target.slice(0, cut);
    const given = Buffer.from(target.slice(cut + SIGNATURE.length));
    const right = Buffer.from(this.#signature(signed));
    const isSame = given.length === right.length && timingSafeEqual(given, right);
    return isSame ? undefined : 'altered';
  }

  #padding(bare: string, minLength: number): string {
    const name = '&security-token=';
    const missing = minLength - bare.length - SIGNATURE.length - this.#signature('').length;
    if (missing <= 0) return '';
    let token = '';
    while (token.length < missing - name.length) token += this.#signature(bare + token);
    return name + token.slice(0, Math.max(1, missing - name.length));
  }

  #signature(text: string): string {
    return createHmac('sha256', this.#secret).update(text).digest('base64url');
  }
}
