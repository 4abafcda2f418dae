/** The order of version numbers, and the rules a device has for them. */
import { isPromise, wrongType } from '../base/arguments';
import { IotkitError } from '../base/errors';
import type { VersionContext, VersionRules } from '../options/verify';

/** A number without leading zeros, or a word in lower case. */
type Part = { readonly digits: string } | { readonly word: string };

interface Version {
  readonly release: readonly Part[];
  /** undefined: it is no pre-release. */
  readonly preRelease: readonly Part[] | undefined;
}

/** After numbers, a hyphen and a letter begin a pre-release. */
const preReleasePattern = /^(\d.*?)-([a-z].*)$/;

function partsOf(text: string): Part[] {
  return (text.match(/\d+|[^\d._-]+/g) ?? []).map((part) =>
    /^\d/.test(part) ? { digits: part.replace(/^0+/, '') } : { word: part },
  );
}

function parse(version: string): Version {
  const text = version.toLowerCase().replace(/^v(?=\d)/, '');
  const [, numbers, preRelease] = preReleasePattern.exec(text) ?? [];
  const release = partsOf(numbers ?? text);
  while (isZero(release.at(-1))) release.pop();
  return { release, preRelease: preRelease === undefined ? undefined : partsOf(preRelease) };
}

function isZero(part: Part | undefined): boolean {
  return part !== undefined && 'digits' in part && part.digits === '';
}

type Order = -1 | 0 | 1;

function compareTexts(a: string, b: string): Order {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

// Numbers of any length: without leading zeros the longer one is the larger.
function compareDigits(a: string, b: string): Order {
  if (a.length !== b.length) return a.length < b.length ? -1 : 1;
  return compareTexts(a, b);
}

/** `wordsFirst`: words are less than numbers, else greater. Nothing at all is least. */
function compareParts(a: readonly Part[], b: readonly Part[], wordsFirst: boolean): Order {
  for (let i = 0; i < Math.max(a.length, b.length); i += 1) {
    const order = comparePart(a[i], b[i], wordsFirst);
    if (order !== 0) return order;
  }
  return 0;
}

function comparePart(a: Part | undefined, b: Part | undefined, wordsFirst: boolean): Order {
  if (a === undefined || b === undefined) return a === b ? 0 : a === undefined ? -1 : 1;
  if ('word' in a) {
    if ('word' in b) return compareTexts(a.word, b.word);
    return wordsFirst ? -1 : 1;
  }
  if ('word' in b) return wordsFirst ? 1 : -1;
  return compareDigits(a.digits, b.digits);
}

/**
 * The order of versions: negative if `a` is older than `b`, 0 if they are the same, positive if it
 * is newer.
 *
 * Parts are what `.`, `-`, `_` separate, and numbers and words within these; numbers are compared
 * as numbers, words by letters without regard to case. A leading `v` and zeros at the end do not
 * count: `v1.0` is `1.0.0`. Words are less than numbers and more than nothing: `1.1.1` < `1.1.1w` <
 * `1.1.1.1`. A hyphen and a letter after numbers begin a pre-release, which is older than the
 * release, as in Semantic Versioning: `1.0.0-alpha` < `1.0.0-alpha.1` < `1.0.0-beta` < `1.0.0-rc2`
 * < `1.0.0-rc10` < `1.0.0` < `1.0.0-1`.
 *
 * @throws {@link InvalidArgument}
 */
export function compareVersions(a: string, b: string): -1 | 0 | 1 {
  for (const [name, version] of Object.entries({ a, b })) {
    if (typeof version !== 'string') throw wrongType(name, 'a string', version);
  }
  const [left, right] = [parse(a), parse(b)];
  const order = compareParts(left.release, right.release, true);
  if (order !== 0) return order;
  if (left.preRelease === undefined || right.preRelease === undefined) {
    if (left.preRelease === right.preRelease) return 0;
    return left.preRelease === undefined ? 1 : -1;
  }
  return compareParts(left.preRelease, right.preRelease, false);
}

/**
 * @internal Why the rules refuse a version; undefined: they allow it. `onLate` gets the error of an
 *   `allowVersion` that is async, though it may not be.
 */
export function versionRefusal(
  version: string,
  context: VersionContext,
  { newerOnly, allowVersion }: VersionRules,
  onLate: (error: IotkitError) => void = () => {},
): IotkitError | undefined {
  const { current } = context;
  if (newerOnly && current !== undefined && compareVersions(version, current) <= 0) {
    return refused(`${version} is not newer than ${current}, and only newer ones are allowed`);
  }
  if (allowVersion === undefined) return undefined;
  const failed = (cause: unknown): IotkitError =>
    refused(`${version}: allowVersion failed`, { cause });
  try {
    const allowed: unknown = allowVersion(version, context);
    if (allowed === true) return undefined;
    if (allowed === false) return refused(`${version}: allowVersion said false`);
    // A promise is no answer: nobody knows yet what it will resolve to.
    if (isPromise(allowed)) allowed.then(undefined, (cause: unknown) => onLate(failed(cause)));
    throw new TypeError('allowVersion must return true or false');
  } catch (cause) {
    return failed(cause);
  }
}

function refused(detail: string, options?: ErrorOptions): IotkitError {
  return new IotkitError('ERR_VERSION_REFUSED', detail, options);
}
