/** TLS contexts, one for each distinct set of options and shared by all its users; public keys. */
import timers from 'node:timers/promises';
import type { CheckedTls } from '../options/tls';
import type { NativeKeys, NativeTls } from './binding';
import { readDefaultCa } from './ca-list';
import { native, unwrap } from './load';
import { signer } from './signer';

const contexts = new Map<string, WeakRef<NativeTls>>();
const forget = new FinalizationRegistry<string>((key) => {
  if (contexts.get(key)?.deref() === undefined) contexts.delete(key);
});

/** Contexts that get a list of CA certificates when they may be needed, and what comes to the runtime's. */
const withoutList = new Map<NativeTls, string>();
let list: string | undefined;

/**
 * The runtime's own list of CA certificates, including those the user has added. Read once, and not
 * before it is needed: node:tls alone takes milliseconds to load.
 */
function defaultCa(): string {
  list ??= readDefaultCa();
  return list;
}

// As it is now: programs put clocks of their own in its place, which nobody turns here.
const { setImmediate: nextTurn } = timers;

/**
 * Loads what reading that list takes, a part in each turn of the event loop, so that no turn is
 * long. Before a context is made that needs the list; afterwards at no cost.
 */
export async function prepareTrust(): Promise<void> {
  if (list !== undefined) return;
  for (const part of [() => require('node:crypto'), () => require('node:tls'), defaultCa]) {
    await nextTurn();
    part();
  }
}

/**
 * @param optional for callers that may do without TLS: undefined instead of an error if no OpenSSL
 *   is found, and whom to trust is looked up by {@link provideTrust}
 * @param isShared false: for one user alone, who sets its clock
 * @throws IotkitError ERR_TLS_UNAVAILABLE, ERR_TLS_CA, ERR_TLS_IDENTITY
 */
export function tlsContext(
  options: CheckedTls,
  { optional = false, isShared = true }: { readonly optional?: boolean; isShared?: boolean } = {},
): NativeTls | undefined {
  // A function that signs has no value that two sets of options could be compared by.
  const key = isShared && options.sign === undefined ? keyOf(options) : undefined;
  const known = key === undefined ? undefined : contexts.get(key)?.deref();
  if (known === undefined && optional && native.tlsSource() === null) return undefined;
  const context = known ?? create(options);
  if (key !== undefined && known === undefined) remember(context, key);
  if (!optional && withoutList.has(context)) provideTrust();
  return context;
}

// Reading the runtime's list takes some 50 ms, which the thread of a connection has and the caller
// has not. What the user gave is read at once, because it may be wrong.
function create({ also, sign, ...options }: CheckedTls): NativeTls {
  const deferred = options.ca === '';
  const signs = sign && signer(sign, { give: native.giveSignature, fail: native.failSignature });
  const made = unwrap(native.createTls({ ...options, deferred, ...signs }));
  if (deferred) withoutList.set(made, also);
  return made;
}

function remember(context: NativeTls, key: string): void {
  contexts.set(key, new WeakRef(context));
  forget.register(context, key);
}

function keyOf(options: CheckedTls): string {
  const text = JSON.stringify(options);
  if (Object.values(options).every((value) => value === '')) return text;
  const { createHash }: typeof import('node:crypto') = require('node:crypto');
  return createHash('sha256').update(text).digest('base64');
}

/**
 * Before connections with TLS are made: contexts get the runtime's list of CA certificates.
 *
 * @throws IotkitError ERR_TLS
 */
export function provideTrust(): void {
  for (const [context, also] of withoutList) {
    context.setCa(also === '' ? defaultCa() : `${defaultCa()}\n${also}`);
    withoutList.delete(context);
  }
}

/**
 * The keys that signatures are verified with; undefined: none are verified.
 *
 * @throws IotkitError ERR_PUBLIC_KEY, ERR_TLS_UNAVAILABLE
 */
export function publicKeys(pem: string): NativeKeys | undefined {
  return pem === '' ? undefined : unwrap(native.createKeys(pem));
}
