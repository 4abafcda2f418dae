// Tested by test/integration/registration.test.ts
/** One registration, or as many as it takes while there is no network. */
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NativeCredentials, NativeRegisterOptions } from '../addon/binding';
import { errorOf, native, unwrap } from '../addon/load';
import { tlsContext } from '../addon/trust';
import { IotkitError } from '../base/errors';
import { abortReason, throwIfAborted, whenAborted } from '../base/signals';
import type { CheckedTls } from '../options/tls';
import { signMethodNumbers, type Who } from './who';

/** @internal `enum iotkit_register_kind`. */
const kinds = { known: 0, unknown: 1, x509: 2 } as const;

/** @internal What a registration needs, checked. */
export interface CheckedRegistration {
  readonly who: Who;
  readonly host: string;
  readonly port: number;
  readonly tls: CheckedTls;
  /** The instance that is to know the device, with a platform that does not know it yet; or ''. */
  readonly instanceId: string;
  readonly signMethod: keyof typeof signMethodNumbers;
  readonly connectTimeoutMs: number;
  readonly answerTimeoutMs: number;
}

/** @internal Until when, and how long to wait between tries. */
export interface Patience {
  /** Of performance.now(). */
  readonly end: number;
  readonly minMs: number;
  readonly maxMs: number;
}

function nativeOptions(checked: CheckedRegistration): NativeRegisterOptions {
  const { who, tls, signMethod, ...rest } = checked;
  const { x509, preregistered, productKey, productSecret, deviceName, clientId } = who;
  const unnamed = x509 !== undefined;
  return {
    ...rest,
    kind: unnamed ? kinds.x509 : preregistered ? kinds.known : kinds.unknown,
    ...{ productKey, productSecret, deviceName, clientId },
    signMethod: signMethodNumbers[signMethod],
    tls: tlsContext(tls),
    // The working directory may be another when the addon opens it.
    credentialsFile: who.credentialsFile === '' ? '' : path.resolve(who.credentialsFile),
  };
}

/**
 * @internal What was registered counts, even if the signal came meanwhile: it cannot be had again
 * at will.
 */
export function registerOnce(
  checked: CheckedRegistration,
  signal: AbortSignal | undefined,
): Promise<NativeCredentials> {
  return new Promise((resolve, reject) => {
    const registration = unwrap(
      native.register(nativeOptions(checked), (errno, detail, credentials) => {
        stopListening();
        if (credentials !== undefined) resolve(credentials);
        else if (signal?.aborted) reject(abortReason(signal));
        else reject(errorOf(errno, detail));
      }),
    );
    const stopListening = whenAborted(signal, () => registration.abort());
  });
}

/** @internal Failures that may pass are tried again as long as there is time. */
export async function registerPatiently(
  checked: CheckedRegistration,
  { end, minMs, maxMs }: Patience,
  signal: AbortSignal | undefined,
): Promise<NativeCredentials> {
  for (let most = minMs; ; most = Math.min(2 * most, maxMs)) {
    try {
      return await registerOnce(checked, signal);
    } catch (error) {
      const wait = Math.random() * most;
      const mayPass = IotkitError.isIotkitError(error) && error.retryable;
      if (!mayPass || performance.now() + wait >= end) throw error;
      await sleep(wait, undefined, signal && { signal }).catch(() => throwIfAborted(signal));
    }
  }
}
