import { Addresses } from '../../src/assembly/addresses';

const choices = {
  publicHost: 'host',
  apiHost: 'inside',
  firmwareScheme: 'https',
  firmwareBaseUrl: undefined,
} as const;

test('an address is known when its listener is open', () => {
  const addresses = new Addresses(choices);
  const before = addresses.ports;
  expect(() => addresses.of('mqtt')).toThrow(expect.objectContaining({ code: 'ERR_NOT_FOUND' }));
  addresses.add('mqtt', 1);
  expect(addresses.of('mqtt')).toBe('mqtt://host:1');
  expect([before, addresses.ports]).toEqual([{}, { mqtt: 1 }]);
});

test('an IPv6 address is in brackets', () => {
  const addresses = new Addresses({ ...choices, publicHost: '::1' });
  addresses.add('https', 2);
  expect(addresses.firmware).toBe('https://[::1]:2');
});

test('the operator API has listeners and a host of its own, and is plain where it can be', () => {
  const addresses = new Addresses(choices);
  addresses.add('http', 1);
  expect(() => addresses.api).toThrow(expect.objectContaining({ code: 'ERR_NOT_FOUND' }));
  addresses.add('apiTls', 2);
  expect(addresses.api).toBe('https://inside:2/api');
  addresses.add('api', 3);
  expect(addresses.api).toBe('http://inside:3/api');
});

test('firmware may be elsewhere; this process serves by what it has', () => {
  const addresses = new Addresses({ ...choices, firmwareBaseUrl: 'https://cdn' });
  expect(addresses.firmware).toBe('https://cdn');
  addresses.add('http', 1);
  expect(addresses.ownScheme).toBe('http');
  addresses.add('https', 2);
  expect(addresses.ownScheme).toBe('https');
});
