/** TLS contexts, one for each distinct set of options and shared by all who use it; public keys. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import tls from 'node:tls';
import type { NativeKeys, NativeTls } from './binding';
import { native, unwrap } from './native';
import type { CheckedTls } from './options/tls';

const contexts = new Map<string, WeakRef<NativeTls>>();
const forget = new FinalizationRegistry<string>((key) => {
  if (contexts.get(key)?.deref() === undefined) contexts.delete(key);
});

/** The runtime's own list of CA certificates, those the user has added included. */
function defaultCa(): string {
  // Node.js ≥ 22.15.
  const { getCACertificates } = tls as { getCACertificates?: (type: 'default') => string[] };
  if (getCACertificates !== undefined) return getCACertificates('default').join('\n');
  return [...tls.rootCertificates, extraCa()].join('\n');
}

function extraCa(): string {
  const file = process.env.NODE_EXTRA_CA_CERTS;
  if (file === undefined || file === '') return '';
  try {
    return readFileSync(file, 'latin1');
  } catch {
    return ''; // Node.js itself has warned about it at start.
  }
}

/**
 * @param optional Where no OpenSSL is found: undefined instead of an error, for those who can do
 *   without TLS.
 * @throws IotkitError ERR_TLS_UNAVAILABLE, ERR_TLS_CA, ERR_TLS_IDENTITY
 */
export function tlsContext(
  options: CheckedTls,
  { optional = false }: { readonly optional?: boolean } = {},
): NativeTls | undefined {
  const key = createHash('sha256').update(JSON.stringify(options)).digest('base64');
  const known = contexts.get(key)?.deref();
  if (known !== undefined) return known;
  if (optional && native.tlsSource() === null) return undefined;
  const made = unwrap(native.createTls({ ...options, ca: options.ca || defaultCa() }));
  contexts.set(key, new WeakRef(made));
  forget.register(made, key);
  return made;
}

/**
 * What signatures are verified with; undefined: nothing.
 *
 * @throws IotkitError ERR_PUBLIC_KEY, ERR_TLS_UNAVAILABLE
 */
export function publicKeys(pem: string): NativeKeys | undefined {
  return pem === '' ? undefined : unwrap(native.createKeys(pem));
}
