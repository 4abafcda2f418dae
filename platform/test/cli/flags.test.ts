import { Command } from 'commander';
import { milliseconds, port, wholeNumber, withServer } from '../../src/cli/flags';

test('a whole number is digits alone', () => {
  expect([wholeNumber('0'), wholeNumber('1440')]).toEqual([0, 1440]);
  for (const text of ['', '-1', '1.5', '1e3', 'x', '1234567890']) {
    expect(() => wholeNumber(text)).toThrow('whole number');
  }
});

test('a time has a unit, or is in seconds', () => {
  expect([milliseconds('500ms'), milliseconds('8s'), milliseconds('8')]).toEqual([500, 8000, 8000]);
  for (const text of ['', 's', '8m', '1.5s', '-1s', '8 s']) {
    expect(() => milliseconds(text)).toThrow('a time');
  }
});

test('a port may be off', () => {
  expect([port('off'), port('8080'), port('65535')]).toEqual([false, 8080, 65_535]);
  expect(() => port('65536')).toThrow('at most 65535');
});

test('a command that asks a platform has the flags for it', () => {
  const command = withServer(new Command('x'));
  command.parse(['--state-dir', 'd', '--url', 'u', '--token-file', 't', '--ca', 'c', '--json'], {
    from: 'user',
  });
  expect(command.opts()).toEqual({ stateDir: 'd', url: 'u', tokenFile: 't', ca: 'c', json: true });
});
