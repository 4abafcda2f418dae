import { checkProxy } from '../../../lib/options/proxy';
import { refusalOf } from '../support';

describe('the proxy', () => {
  const proxiesOf = (
    fetch: { proxy?: unknown; noProxy?: string },
    environment: Readonly<Record<string, string>> = {},
  ) => {
    const { proxy, httpsProxy, noProxy } = checkProxy(
      fetch.proxy as never,
      fetch.noProxy,
      environment,
    );
    return [proxy, httpsProxy, noProxy];
  };
  const [lower, upper] = ['http://lower:1', 'http://upper:2'];

  test.each([
    // As curl reads the environment.
    [{}, ['', '', '']],
    [{ http_proxy: lower }, [lower, '', '']],
    [{ HTTP_PROXY: upper }, ['', '', '']],
    [{ https_proxy: lower, HTTPS_PROXY: upper }, ['', lower, '']],
    [{ HTTPS_PROXY: upper }, ['', upper, '']],
    [{ https_proxy: '', HTTPS_PROXY: upper }, ['', upper, '']],
    [{ all_proxy: lower, ALL_PROXY: upper }, [lower, lower, '']],
    [{ ALL_PROXY: upper, https_proxy: lower }, [upper, lower, '']],
    [{ https_proxy: 'proxy.local:3128' }, ['', 'proxy.local:3128', '']],
    [{ https_proxy: 'http://u:p%40:x@[::1]:3128/' }, ['', 'http://u:p%40:x@[::1]:3128/', '']],
    [{ https_proxy: ' http://lower:1\t\r\n' }, ['', lower, '']],
    [{ https_proxy: ' ', HTTPS_PROXY: upper }, ['', upper, '']],
    [{ no_proxy: ' \n', NO_PROXY: ' c ' }, ['', '', 'c']],
    // What may be unusable is left to the download that needs it.
    [{ ALL_PROXY: 'http://h/path' }, ['ALL_PROXY=http://h/path', 'ALL_PROXY=http://h/path', '']],
    [{ https_proxy: 'socks5://h', HTTPS_PROXY: upper }, ['', 'https_proxy=socks5://h', '']],
    [{ http_proxy: 'http://h:0' }, ['http_proxy=http://h:0', '', '']],
    [{ http_proxy: 'http://h:65536' }, ['http_proxy=http://h:65536', '', '']],
    [{ http_proxy: 'http://h..x' }, ['http_proxy=http://h..x', '', '']],
    [{ http_proxy: 'http://10.0.0.1:1' }, ['http_proxy=http://10.0.0.1:1', '', '']],
    [{ http_proxy: 'http://u%3a:p@h' }, ['http_proxy=http://u%3a:p@h', '', '']],
    [{ no_proxy: 'x'.repeat(8193) }, ['', '', `no_proxy=${'x'.repeat(8193)}`]],
    [{ no_proxy: 'a,.b', NO_PROXY: 'c' }, ['', '', 'a,.b']],
    [{ NO_PROXY: '*' }, ['', '', '*']],
  ])('of the environment %j', (environment, expected) => {
    expect(proxiesOf({}, environment as never)).toEqual(expected);
  });

  test('the option takes the place of the environment, each on its own', () => {
    const environment = { https_proxy: lower, ALL_PROXY: 'socks5://h', no_proxy: 'a' };
    expect(proxiesOf({ proxy: upper }, environment)).toEqual([upper, upper, 'a']);
    expect(proxiesOf({ proxy: false }, environment)).toEqual(['', '', 'a']);
    expect(proxiesOf({ proxy: upper, noProxy: '' }, environment)).toEqual([upper, upper, '']);
  });

  test('one of the environment that is not asked for is of no interest', () => {
    const environment = { ALL_PROXY: 'socks5://h', http_proxy: lower, https_proxy: lower };
    expect(proxiesOf({}, environment)).toEqual([lower, lower, '']);
  });

  test.each([
    [{ proxy: 'proxy:3128' }, 'fetch.proxy must be http://[user:password@]host[:port]'],
    [{ proxy: 'https://proxy:3128' }, 'fetch.proxy must be'],
    [{ proxy: 'http://' }, 'fetch.proxy must be'],
    [{ proxy: 'http://h:0' }, 'fetch.proxy must be'],
    [{ proxy: 'http://h:65536' }, 'fetch.proxy must be'],
    [{ proxy: 'http://h/path' }, 'fetch.proxy must be'],
    [{ proxy: '' }, 'fetch.proxy must be'],
    [{ proxy: true }, 'fetch.proxy must be a string or false'],
    [{ noProxy: ['a'] }, 'fetch.noProxy must be a string, got an array'],
  ])('refused with an error that names the option: %j', (fetch, message) => {
    expect(refusalOf(() => proxiesOf(fetch as never)).message).toContain(message);
  });

  test.each([
    [{ proxy: 'http://user:hunter2@h x' }],
    [{ proxy: 'http://user:hunter2%@h' }],
    [{ proxy: ['http://user:hunter2@h'] }],
  ])('a refused secret is not shown: %#', (fetch) => {
    expect(refusalOf(() => proxiesOf(fetch)).message).not.toMatch(/hunter2/);
  });
});
