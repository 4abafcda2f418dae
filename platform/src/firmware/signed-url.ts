import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../clock';

/** What is wrong with an address. */
export type UrlFlaw = 'altered' | 'expired';

const SIGNATURE = '&Signature=';

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
    const query = new URLSearchParams({ Expires: String(expires), ...parameters });
    const bare = `${path}?${query}`;
    const signed = bare + this.#padding(bare, minLength);
    return signed + SIGNATURE + this.#signature(signed);
  }

  /** Undefined when the address is good. */
  check(target: string): UrlFlaw | undefined {
    const cut = target.lastIndexOf(SIGNATURE);
    if (cut < 0) return 'altered';
    const signed = target.slice(0, cut);
    const given = Buffer.from(target.slice(cut + SIGNATURE.length));
    const right = Buffer.from(this.#signature(signed));
    if (given.length !== right.length || !timingSafeEqual(given, right)) return 'altered';
    const query = new URLSearchParams(signed.slice(signed.indexOf('?') + 1));
    return Number(query.get('Expires')) * 1000 <= this.#clock.now() ? 'expired' : undefined;
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
