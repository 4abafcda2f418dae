import { checkHosts } from '../../../lib/options/hosts';
import { refusalOf } from '../support';

test('become a list separated by commas', () => {
  const hosts = ['fw.example.com', '*.example.com:8443', '[::1]:1', '127.0.0.1'];
  expect(checkHosts(hosts)).toBe('fw.example.com,*.example.com:8443,[::1]:1,127.0.0.1');
  expect(checkHosts(Array(64).fill('h')).split(',')).toHaveLength(64);
});

describe('refused with an error that names the host', () => {
  const host = 'fetch.allowedHosts[0] must be a host name';
  test.each<[unknown, string]>([
    ['a', 'fetch.allowedHosts must be an array of host names'],
    [[], 'fetch.allowedHosts must have 1-64 hosts, got 0'],
    [['a,b'], host],
    [['*'], host],
    [['a.*.b'], host],
    [['*.0.0.1:80'], host],
    [['https://a'], host],
    [['a:0'], host],
    [['::1'], host],
    [['a', 7], 'fetch.allowedHosts[1] must be a string, got 7'],
    [Array(65).fill('h'), 'fetch.allowedHosts must have 1-64 hosts, got 65'],
  ])('%j', (hosts, message) => {
    expect(refusalOf(() => checkHosts(hosts)).message).toContain(message);
  });
});
