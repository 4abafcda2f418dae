import { describe as lineOf } from '../../src/cli/event-lines';
import type { PlatformEvent } from '../../src/index';

const event = (type: string, members: object) => ({ type, time: 0, ...members }) as PlatformEvent;

test('what a stranger sent cannot steer the terminal', () => {
  const clear = '\u001b[2J\u009b2J\u202e';
  const lines = [
    lineOf(event('device-refused', { clientId: clear, returnCode: 2, reason: 'no' })),
    lineOf(event('bad-message', { topic: clear, reason: clear })),
    lineOf(event('state-problem', { what: 'file', name: clear, reason: 'odd' })),
  ];
  for (const line of lines) expect(line).toMatch(/^[ -~]+$/);
});

test('trouble of the platform is told, and its end', () => {
  expect(lineOf(event('state-health', { degraded: true, reason: 'full' }))).toBe(
    'DEGRADED: the state cannot be written: full',
  );
  expect(lineOf(event('state-health', { degraded: false }))).toContain('again');
  expect(lineOf(event('broker-health', { connected: false, reason: 'gone' }))).toBe(
    'the broker is away: gone',
  );
  expect(lineOf(event('broker-health', { connected: true }))).toBe('joined the broker');
  expect(lineOf(event('notice-sent', {}))).toBeUndefined();
});

test('what gateways are refused is told, and how their topology changes', () => {
  const refused = { deviceName: 'hub', request: 'login', code: 6287, reason: 'wrong signature' };
  expect(lineOf(event('gateway-request', refused))).toBe(
    'hub is refused login: wrong signature (6287)',
  );
  expect(lineOf(event('gateway-request', { ...refused, code: 200 }))).toBeUndefined();
  const change = { deviceName: 'sensor', gateway: { deviceName: 'hub' } };
  expect(lineOf(event('topology-changed', { ...change, isRelated: true }))).toBe(
    'sensor is now a sub-device of hub',
  );
  expect(lineOf(event('topology-changed', { ...change, isRelated: false }))).toContain('no longer');
  const found = { deviceName: 'hub', devices: [change, change] };
  expect(lineOf(event('sub-devices-found', found))).toBe('hub has found 2 devices');
});
