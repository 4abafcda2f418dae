import { checkProxies } from '../../../../lib/cli/doctor/proxies';

test('none', () => {
  const finding = checkProxies({ https_proxy: ' ', PATH: '/bin' });
  expect(finding).toMatchObject({ status: 'ok', facts: { variables: {} } });
});

test.each([
  ['http://user:hunter2@proxy:3128', 'http://***@proxy:3128'],
  ['user:hunter2@proxy', '***@proxy'],
  ['http://user:hunter2@x@proxy:1', 'http://***@proxy:1'],
  ['http://user:hunter2/x@proxy:1', 'http://***@proxy:1'],
  ['socks5://user:hunter2@proxy', 'socks5://***@proxy'],
  ['http://user:hun\nhunter2@proxy', 'http://***@proxy'],
  ['proxy:3128', 'proxy:3128'],
])('credentials of %j are hidden', (value, shown) => {
  const finding = checkProxies({ HTTPS_PROXY: value });
  expect(finding.facts).toEqual({ variables: { HTTPS_PROXY: shown } });
  expect(JSON.stringify(finding)).not.toContain('hunter2');
});

test.each(['socks5://proxy:1080', 'http://proxy:99999', 'http://proxy/path', 'https://proxy'])(
  '%s is no proxy for us',
  (value) => {
    expect(checkProxies({ all_proxy: value })).toMatchObject({
      status: 'warn',
      summary: expect.stringContaining('all_proxy cannot be used'),
    });
  },
);

test('HTTP_PROXY alone is ignored', () => {
  const value = 'http://proxy:3128';
  expect(checkProxies({ HTTP_PROXY: value }).status).toBe('warn');
  expect(checkProxies({ HTTP_PROXY: value, http_proxy: value }).status).toBe('ok');
});

test('lists of exceptions are shown', () => {
  const finding = checkProxies({ no_proxy: 'localhost,.example' });
  expect(finding).toMatchObject({
    status: 'ok',
    facts: { variables: { no_proxy: 'localhost,.example' } },
  });
});
