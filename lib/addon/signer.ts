// Tested by test/integration/signer.test.ts
/** Signatures by functions of the program: what they get, what they give, and what they do wrong. */
import { isUint8Array } from 'node:util/types';
import { isPromise } from '../base/arguments';
import type { SignFunction, SignRequest } from '../options/tls';
import type { NativeTlsOptions } from './binding';

/** The longest that TLS has: of an RSA key of 16,384 bits. */
const SIGNATURE_MAX = 2048;

/** `enum iotkit_tls_sign_scheme`. */
const ECDSA = 1;
const RSA_PKCS1 = 2;

/** Of node:crypto: RSA_PKCS1_PADDING and RSA_PKCS1_PSS_PADDING. */
const paddings = { pkcs1: 1, pss: 6 } as const;

/** Whose `length` no array of a program's can have replaced by its own. */
const typedArray: object = Object.getPrototypeOf(Uint8Array.prototype);

/** How answers get to the handshake that waits. Later ones, and those that nobody waits for, change nothing. */
export interface Answers {
  give(id: number, signature: Uint8Array): void;
  fail(id: number, reason: string): void;
}

/** What the addon calls when a handshake needs a signature, and when it needs it no longer. */
export function signer(
  sign: SignFunction,
  { give, fail }: Answers,
): Required<Pick<NativeTlsOptions, 'onSign' | 'onCancel'>> {
  const waiting = new Map<number, AbortController>();
  const settle = (id: number, signature: unknown): void => {
    waiting.delete(id);
    if (!isUint8Array(signature)) {
      fail(id, `it gave ${kindOf(signature)} instead of bytes`);
      return;
    }
    const length: number = Reflect.get(typedArray, 'length', signature);
    if (length > 0 && length <= SIGNATURE_MAX) give(id, signature);
    else fail(id, `it gave ${length} bytes instead of 1-${SIGNATURE_MAX}`);
  };
  const refuse = (id: number, what: string, error: unknown): void => {
    waiting.delete(id);
    fail(id, `it ${what} ${nameOf(error)}`);
  };
  return {
    onSign(id, scheme, data, messageBits, message) {
      const controller = new AbortController();
      waiting.set(id, controller);
      try {
        const signature: unknown = sign(
          request(scheme, data, messageBits, message, controller.signal),
        );
        if (!isPromise(signature)) return settle(id, signature);
        signature.then(
          (made) => settle(id, made),
          (error: unknown) => refuse(id, 'rejected with', error),
        );
      } catch (error) {
        refuse(id, 'threw', error);
      }
    },
    onCancel(id) {
      waiting.get(id)?.abort();
      waiting.delete(id);
    },
  };
}

function request(
  scheme: number,
  data: ArrayBuffer,
  messageBits: number,
  signed: ArrayBuffer,
  signal: AbortSignal,
): SignRequest {
  const hash = `sha${messageBits}` as SignRequest['hash'];
  const message = new Uint8Array(signed);
  const bytes = new Uint8Array(data);
  if (scheme === ECDSA) return { algorithm: 'ecdsa', hash, message, digest: bytes, signal };
  if (scheme === RSA_PKCS1) {
    const padding = paddings.pkcs1;
    return { algorithm: 'rsa-pkcs1', hash, message, digest: bytes, padding, signal };
  }
  const { createHash }: typeof import('node:crypto') = require('node:crypto');
  const digest = new Uint8Array(createHash(hash).update(message).digest());
  return {
    algorithm: 'rsa-pss',
    ...{ hash, message, digest, block: bytes, signal },
    padding: paddings.pss,
    saltLength: digest.length,
  };
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

/** By its code or its name: a message may hold a PIN. */
function nameOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return kindOf(error);
  try {
    for (const name of [Reflect.get(error, 'code'), Reflect.get(error, 'name')])
      if (typeof name === 'string' && /^[A-Za-z]\w{0,39}$/.test(name)) return name;
  } catch {
    // An object that says nothing of itself.
  }
  return 'an object';
}
