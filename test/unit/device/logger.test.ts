import { IotkitError } from '../../../lib/base/errors';
import { Listeners } from '../../../lib/base/listeners';
import type { DeviceEventMap } from '../../../lib/device/device';
import { checkLogger, type Logger, logDevice } from '../../../lib/device/logger';
import type { RunEventMap } from '../../../lib/ota/events';
import { Upgrade, type UpgradeHost } from '../../../lib/ota/upgrade';
import { FakeJob, refusalOf, runOf } from '../support';

type Line = readonly [level: string, details: object, message: string];

function logged() {
  const lines: Line[] = [];
  const at = (level: string) => (details: object, message: string) =>
    void lines.push([level, details, message]);
  const logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
  const listeners = new Listeners<DeviceEventMap & RunEventMap>();
  logDevice({ productKey: 'pk', deviceName: 'dn' }, listeners, logger);
  return { lines, listeners };
}

const who = { productKey: 'pk', deviceName: 'dn' };

test('states are written at the level they deserve, with their error', () => {
  const { lines, listeners } = logged();
  const reset = new IotkitError('ERR_CONNECTION_RESET');
  const refused = new IotkitError('ERR_MQTT_CREDENTIALS');
  const enter = (state: DeviceEventMap['state']['state'], error?: IotkitError): void =>
    listeners.emit('state', { state, error, needsOperator: error?.retryable === false });
  enter('connecting', refused);
  enter('connected');
  enter('waiting', reset);
  enter('waiting', refused);
  enter('closing');
  enter('closed');
  expect(lines).toEqual([
    ['debug', { ...who, err: refused }, 'connecting'],
    ['info', who, 'connected'],
    ['warn', { ...who, err: reset }, 'waiting'],
    ['error', { ...who, err: refused }, 'waiting'],
    ['debug', who, 'closing'],
    ['info', who, 'closed'],
  ]);
});

test('upgrades and downloads are written without their URL, which is a credential', () => {
  const { lines, listeners } = logged();
  const upgrade = new Upgrade(new FakeJob({ module: 'MCU' }), {} as UpgradeHost);
  const image = { ...who, module: 'MCU', version: '2.0.0', size: 10 };
  listeners.emit('upgrade', upgrade);
  const good = runOf(10, { upgrade });
  listeners.emit('runStart', good);
  good.succeed();
  listeners.emit('runEnd', good);
  const bad = runOf(10);
  const error = new IotkitError('ERR_TRUNCATED');
  bad.fail(error);
  listeners.emit('runEnd', bad);
  listeners.emit('refused', error);
  expect(lines).toEqual([
    ['info', image, 'upgrade announced'],
    ['info', image, 'download started'],
    ['info', image, 'download finished'],
    ['warn', { ...image, module: 'default', err: error }, 'download failed'],
    ['warn', { ...who, err: error }, 'refused'],
  ]);
});

test('a logger has four methods; console is one', () => {
  expect(checkLogger(console)).toBe(console);
  const half = { debug() {}, info() {}, warn() {} };
  expect(refusalOf(() => checkLogger(half as unknown as Logger)).message).toBe(
    'logger.error must be a function, got undefined',
  );
  for (const value of [null, 'console', 1]) {
    expect(refusalOf(() => checkLogger(value as never)).message).toContain('logger must be');
  }
});
