// Tested by test/integration/policies.test.ts
/** How a device fetches firmware, in the form that the addon takes. */
import type { NativeDeviceOptions, NativeReading } from '../addon/binding';
import { publicKeys, tlsContext } from '../addon/trust';
import type { CheckedFetch } from '../options/fetch';
import type { CheckedVerify } from '../options/verify';

/**
 * @param plain the broker's connection is without TLS, or not ours: without OpenSSL there is a device
 *   all the same
 * @throws IotkitError ERR_TLS_UNAVAILABLE, ERR_TLS_CA, ERR_TLS_IDENTITY, ERR_PUBLIC_KEY
 */
export function nativeFetch(
  checked: CheckedFetch,
  verify: CheckedVerify,
  plain: boolean,
): Pick<NativeDeviceOptions, 'fetch' | 'bytesPerSecond'> {
  const { ca, identity, certificateTime, bytesPerSecond, ...fetch } = checked;
  // The certificate for the broker is not used for firmware servers. Without a context the system's
  // CAs would be trusted as soon as there is TLS, so one that names its own cannot do without.
  const canDoWithout = plain && identity.cert === '' && ca === '';
  const tls = tlsContext(
    { ca, also: '', ...identity, certName: '' },
    { optional: canDoWithout, isShared: certificateTime === 'system' },
  );
  return {
    bytesPerSecond,
    fetch: {
      ...fetch,
      tls,
      keys: publicKeys(verify.publicKeys),
      requireSignature: verify.requireSignature,
      allowUnsigned: verify.allowUnsigned,
      requireStatement: verify.requireStatement,
    },
  };
}

/** Sets the clock that certificates of firmware servers are held against; undefined: it is the system's. */
export function clockOf(
  { certificateTime }: CheckedFetch,
  { tls }: NativeDeviceOptions['fetch'],
): ((reading: NativeReading) => void) | undefined {
  if (certificateTime === 'system') return undefined;
  return (reading) => tls?.setTime(reading);
}
