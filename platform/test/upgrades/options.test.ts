import { checkUpgradeOptions, type UpgradeOptions } from '../../src/upgrades/options';

const right: UpgradeOptions = { firmwareId: 'f', devices: ['lamp'] };

test('every option may be absent, or be what the platform offers', () => {
  checkUpgradeOptions({ ...right, retry: { attempts: 1, delayMinutes: 1440 } });
  checkUpgradeOptions(right);
  checkUpgradeOptions({
    ...right,
    timeoutMinutes: 1440,
    retry: { attempts: 5, delayMinutes: 60 },
    multiModule: true,
    delivery: 'pull',
    protocol: 'mqtt',
  });
});

test.each<object>([
  { devices: [] },
  { devices: 'lamp' },
  { timeoutMinutes: 0 },
  { timeoutMinutes: 1441 },
  { timeoutMinutes: 1.5 },
  { retry: { attempts: 3, delayMinutes: 0 } },
  { retry: { attempts: 1, delayMinutes: 5 } },
  { timeoutMinutes: 30, retry: { attempts: 1, delayMinutes: 30 } },
  { multiModule: 'yes' },
  { delivery: 'throw' },
  { protocol: 'smoke' },
])('%j is refused', (options) => {
  expect(() => checkUpgradeOptions({ ...right, ...options } as UpgradeOptions)).toThrow(
    expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
  );
});
