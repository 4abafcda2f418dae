import {
  type ConfigOptions,
  type ConfigPushOptions,
  checkConfigOptions,
  timeoutSecondsOf,
} from '../../src/configs/options';

const wrong = expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' });

test('a configuration is bytes or a text', () => {
  checkConfigOptions({ productKey: 'pk', data: '{}' });
  checkConfigOptions({ productKey: 'pk', data: new Uint8Array(1), signMethod: 'MD5' });
});

test.each<object>([{ productKey: '' }, { data: 5 }, { data: undefined }, { signMethod: 'SHA1' }])(
  '%j is refused',
  (options) => {
    const all = { productKey: 'pk', data: '{}', ...options } as ConfigOptions;
    expect(() => checkConfigOptions(all)).toThrow(wrong);
  },
);

test('answers are awaited for half a minute, or as long as is asked', () => {
  const seconds = (timeoutSeconds?: number): number =>
    timeoutSecondsOf({ productKey: 'pk', timeoutSeconds } as ConfigPushOptions);
  expect([seconds(), seconds(1), seconds(3600)]).toEqual([30, 1, 3600]);
  for (const bad of [0, 3601, 1.5]) expect(() => seconds(bad)).toThrow(wrong);
});
