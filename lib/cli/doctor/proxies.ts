/** The check `proxy`: the variables that downloads take proxies from. */
import { isProxy } from '../../options/proxy';
import { printableLine } from '../printable';
import { type Finding, ok, warn } from './finding';

type Environment = Readonly<Record<string, string | undefined>>;

const names = ['http_proxy', 'https_proxy', 'HTTPS_PROXY', 'all_proxy', 'ALL_PROXY'] as const;
const lists = ['no_proxy', 'NO_PROXY'] as const;
/** Lower case alone counts: in upper case it may be the header of a request to a CGI program. */
const IGNORED = 'HTTP_PROXY';

export function checkProxies(environment: Environment): Finding {
  const set = [...names, ...lists, IGNORED].flatMap((name) => {
    const value = environment[name]?.trim();
    return value === undefined || value === '' ? [] : [{ name, value }];
  });
  const variables = Object.fromEntries(set.map(({ name, value }) => [name, hidden(value)]));
  const facts = { variables };
  if (set.length === 0) return ok('none is set', facts);
  const summary = set.map(({ name, value }) => `${name}=${hidden(value)}`).join(' ');
  const unusable = set
    .filter(({ name, value }) => (names as readonly string[]).includes(name) && !isProxy(value))
    .map(({ name }) => name);
  if (unusable.length > 0) {
    return warn(
      `${summary}: ${unusable.join(' and ')} cannot be used`,
      'A proxy is http://[user:password@]host[:port], with special characters %-encoded.',
      facts,
    );
  }
  if (environment[IGNORED]?.trim() && !environment.http_proxy?.trim()) {
    return warn(`${summary}: ${IGNORED} is ignored`, 'Write it in lower case: http_proxy.', facts);
  }
  return ok(`${summary} (downloads use them, MQTT does not)`, facts);
}

/** Without user and password, which end with the last "@", and without control characters. */
function hidden(value: string): string {
  const shown = value.replace(/^([a-z][a-z\d+.-]*:\/\/)?.*@/is, '$1***@');
  return printableLine(shown).slice(0, 200);
}
