import { checkDns, lookUp } from '../../../../lib/cli/doctor/lookup';

test('an address needs no look-up', async () => {
  const addresses = await lookUp('127.0.0.1', 1);
  expect(addresses).toEqual(['127.0.0.1']);
  expect(checkDns('127.0.0.1', addresses)).toMatchObject({ status: 'ok' });
});

test('addresses in their order', () => {
  expect(checkDns('broker.example', ['10.0.0.1', '::1'])).toEqual({
    status: 'ok',
    summary: 'broker.example: 10.0.0.1, ::1',
    remedy: undefined,
    facts: { host: 'broker.example', addresses: ['10.0.0.1', '::1'] },
  });
});

test('a name that nobody knows', () => {
  expect(checkDns('broker.invalid', { error: 'ENOTFOUND' })).toMatchObject({
    status: 'fail',
    summary: 'broker.invalid: ENOTFOUND',
    facts: { addresses: [] },
  });
});
