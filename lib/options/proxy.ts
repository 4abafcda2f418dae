import { conflict, text, wrongType } from '../arguments';

/** @internal As the addon takes them: `''` is none. */
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
    /(?:[^\s:@/?#[\]]*(?::[^\s@/?#[\]]*)?@)?/, // what would separate has to be %-encoded
    /(?:[\w.-]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?\/?$/,
  ]
    .map(({ source }) => source)
    .join(''),
  'i',
);
const MAX_LENGTH = 1024;

function isProxy(url: string): boolean {
  const match = proxyPattern.exec(url);
  if (match === null || url.length > MAX_LENGTH || /%(?![0-9a-f]{2})/i.test(url)) return false;
  const [, port] = match;
  return port === undefined || (Number(port) >= 1 && Number(port) <= 65_535);
}

/**
 * @internal The options, or what `environment` says, read as curl reads it: the variable of the
 * scheme, else that for all; lower case first, and of `http_proxy` lower case alone (`HTTP_PROXY` is
 * a request's header to a CGI program). Empty ones are none.
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
        ? (firstOf(environment, ['no_proxy', 'NO_PROXY'])?.value ?? '')
        : text('fetch.noProxy', noProxy, { min: 0, max: 8192 }),
  };
}

function given(option: unknown): string {
  if (option === false) return '';
  // Neither what is wrong nor what was given is shown: it may hold a password.
  if (typeof option !== 'string') throw wrongType('fetch.proxy', 'a string or false', Symbol());
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
  if (!isProxy(found.value)) {
    throw conflict(
      `the environment's ${found.name} must be ${EXPECTED} (other kinds of proxies are not ` +
        'supported); fetch.proxy takes its place',
    );
  }
  return found.value;
}

function firstOf(
  environment: Environment,
  names: readonly string[],
): { readonly name: string; readonly value: string } | undefined {
  for (const name of names) {
    const value = environment[name];
    if (value !== undefined && value !== '') return { name, value };
  }
  return undefined;
}
