/** The options `fetch.proxy` and `fetch.noProxy`. */
import { conflict, text, wrongSecret } from '../base/arguments';

/**
 * @internal As the addon takes them; `''`: none. A variable of the environment that may be unusable
 * goes there by name, `HTTPS_PROXY=value`: the download that needs it says what is wrong.
 */
export interface CheckedProxy {
  /** For http URLs. */
  readonly proxy: string;
  /** For https URLs. */
  readonly httpsProxy: string;
  readonly noProxy: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

const EXPECTED = 'http://[user:password@]host[:port]';
const proxyPattern = new RegExp(
  [
    /^(?:http:\/\/)?/,
    // Characters that separate must be %-encoded in a user name or password.
    /(?:[^\s:@/?#[\]]*(?::[^\s@/?#[\]]*)?@)?/,
    /(?:[\w.-]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?\/?$/,
  ]
    .map(({ source }) => source)
    .join(''),
  'i',
);
const MAX_LENGTH = 1024;
const MAX_LIST = 8192;

/** @internal Whether it is a proxy's address, with or without `http://`. */
export function isProxy(url: string): boolean {
  const match = proxyPattern.exec(url);
  if (match === null || url.length > MAX_LENGTH || /%(?![0-9a-f]{2})/i.test(url)) return false;
  const [, port] = match;
  return port === undefined || (Number(port) >= 1 && Number(port) <= 65_535);
}

// What the addon takes for certain: anything else goes to it by name, and it decides.
const certainPattern = new RegExp(
  [
    /^(?:http:\/\/)?/,
    /(?:[\w.~-]{1,64}(?::(?:[\w.~:-]|%[2-6][\da-f]){0,64})?@)?/,
    /(?:(?:[\da-z](?:[\da-z-]{0,61}[\da-z])?\.){0,2}[a-z](?:[\da-z-]{0,61}[\da-z])?|\[::1\])/,
    /(?::\d{1,5})?\/?$/,
  ]
    .map(({ source }) => source)
    .join(''),
  'i',
);

/**
 * @internal The proxies of the options, or else of `environment`, read as curl reads it: the
 *   variable of the scheme, or else that for all; lower case first, and `http_proxy` in lower case
 *   alone (`HTTP_PROXY` is a request's header to a CGI program). A variable that is empty or blank
 *   counts as none; one that is unusable stops nothing here.
 */
export function checkProxy(
  option: string | false | undefined,
  noProxy: string | undefined,
  environment: Environment,
): CheckedProxy {
  const proxies =
    option === undefined ? proxiesOf(environment) : { proxy: given(option), httpsProxy: '' };
  return {
    proxy: proxies.proxy,
    httpsProxy: option === undefined ? proxies.httpsProxy : proxies.proxy,
    noProxy:
      noProxy === undefined
        ? listOf(environment)
        : text('fetch.noProxy', noProxy, { min: 0, max: MAX_LIST }),
  };
}

function given(option: unknown): string {
  if (option === false) return '';
  // The message shows neither the value nor what is wrong in it: it may hold a password.
  if (typeof option !== 'string') throw wrongSecret('fetch.proxy', 'a string or false', option);
  if (!isProxy(option) || !/^http:\/\//i.test(option)) {
    throw conflict(`fetch.proxy must be ${EXPECTED} or false`);
  }
  return option;
}

function proxiesOf(environment: Environment): Pick<CheckedProxy, 'proxy' | 'httpsProxy'> {
  return {
    proxy: fromEnvironment(environment, ['http_proxy', 'all_proxy', 'ALL_PROXY']),
    httpsProxy: fromEnvironment(environment, [
      'https_proxy',
      'HTTPS_PROXY',
      'all_proxy',
      'ALL_PROXY',
    ]),
  };
}

function fromEnvironment(environment: Environment, names: readonly string[]): string {
  const found = firstOf(environment, names);
  if (found === undefined) return '';
  const isCertain = certainPattern.test(found.value) && isProxy(found.value);
  return isCertain ? found.value : `${found.name}=${found.value}`;
}

function listOf(environment: Environment): string {
  const found = firstOf(environment, ['no_proxy', 'NO_PROXY']);
  if (found === undefined) return '';
  return found.value.length <= MAX_LIST ? found.value : `${found.name}=${found.value}`;
}

/** The first that is set to more than blanks, without those around it. */
function firstOf(
  environment: Environment,
  names: readonly string[],
): { readonly name: string; readonly value: string } | undefined {
  for (const name of names) {
    const value = environment[name]?.trim();
    if (value !== undefined && value !== '') return { name, value };
  }
  return undefined;
}
