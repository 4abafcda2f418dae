import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Arguments, readArguments, usage } from '../../../../lib/cli/doctor/arguments';
import { UsageError } from '../../../../lib/cli/errors';

function given(args: readonly string[]): Arguments {
  const found = readArguments(args);
  if (typeof found === 'number') throw new Error(`ended with ${found}`);
  return found;
}

test('without options nothing is contacted', () => {
  expect(readArguments([])).toEqual({
    place: undefined,
    ca: undefined,
    target: undefined,
    size: undefined,
    timeoutMs: 10_000,
    json: false,
    strict: false,
  });
});

test.each([
  [
    ['--region', 'cn-shanghai', '--product-key', 'a1b2'],
    { host: 'a1b2.iot-as-mqtt.cn-shanghai.aliyuncs.com', port: 443, isPlatform: true },
  ],
  [
    ['--instance-id', 'iot-060a0bgd'],
    { host: 'iot-060a0bgd.mqtt.iothub.aliyuncs.com', port: 443, isPlatform: true },
  ],
  [['--host', 'broker.example'], { host: 'broker.example', port: 8883, isPlatform: false }],
  [['--host', '::1', '--port', '1'], { host: '::1', port: 1, hasTls: true }],
  [['--url', 'mqtts://broker.example:99'], { host: 'broker.example', port: 99, hasTls: true }],
  [['--url', 'mqtt://broker.example'], { port: 1883, hasTls: false }],
  [['--host', 'aliyuncs.com.example'], { isPlatform: false }],
])('%j names a place', (args, place) => {
  expect(given(args).place).toMatchObject(place);
});

test.each([
  [['--region', 'cn-shanghai'], '--product-key'],
  [['--product-key', 'a1b2'], '--product-key needs'],
  [['--port', '1'], '--port needs'],
  [['--host', 'a', '--region', 'b', '--product-key', 'c'], 'exactly one of --'],
  [['--instance-id', 'a b'], '--instance-id must be'],
  [['--host', 'a', '--host', 'b'], '--host is given more than once'],
  [['--host', ''], 'host'],
  [['--host', 'a b'], '--host must be'],
  [['--host', 'a', '--port', '70000'], '--port'],
  [['--timeout', '0'], '--timeout'],
  [['--timeout', 'soon'], '--timeout'],
  [['--size', '1.5'], '--size'],
  [['--nonsense'], '--nonsense'],
  [['extra'], 'extra'],
  [['--target'], '--target'],
  [['--target', ''], '--target'],
])('%j is refused', (args, message) => {
  expect(() => readArguments(args)).toThrow(UsageError);
  expect(() => readArguments(args)).toThrow(message);
});

test('a password in an address is not repeated', () => {
  const args = ['--url', 'mqtts://user:hunter2@broker.example'];
  expect(() => readArguments(args)).toThrow(UsageError);
  expect(() => readArguments(args)).not.toThrow('hunter2');
});

test('numbers are taken in their units', () => {
  const all = given(['--timeout', '0.5', '--size', '1048576', '--strict', '--json']);
  expect(all).toMatchObject({ timeoutMs: 500, size: 1_048_576, strict: true, json: true });
});

test('a CA file is read, or it is kept why not', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'iotkit-ota-test-'));
  try {
    const file = path.join(folder, 'ca.pem');
    const missing = given(['--host', 'a', '--ca', file]);
    expect(missing.ca).toEqual({ file, pem: '', error: 'ENOENT' });
    const pem = '-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n';
    writeFileSync(file, pem);
    const found = given(['--host', 'a', '--ca', file]);
    expect(found.ca).toEqual({ file, pem, error: undefined });
    expect(found.place?.options).toMatchObject({ tls: { ca: pem } });
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('help is asked for, and names each option', () => {
  const write = jest.spyOn(process.stdout, 'write').mockReturnValue(true);
  expect([readArguments(['--help']), readArguments(['-h'])]).toEqual([0, 0]);
  expect(write.mock.calls).toEqual([[`${usage}\n`], [`${usage}\n`]]);
  write.mockRestore();
  const named = ['region', 'instance-id', 'product-key', 'host', 'port', 'url', 'ca', 'target'];
  for (const option of [...named, 'size', 'timeout', 'json', 'strict', 'help']) {
    expect(usage).toMatch(new RegExp(`^ +--${option}\\b`, 'm'));
  }
});
