import type { DeviceListener } from '../../../lib/addon/binding';
import { Device } from '../../../lib/device/device';
import type { StateChange } from '../../../lib/device/states';
import { errorCodes } from '../../../lib/generated/error-codes';
import { checkMessages } from '../../../lib/messaging/options';
import { FakeDevice, FakeJob, refusalOf } from '../support';

const states = { connecting: 1, connected: 2, waiting: 3, closed: 4 } as const;

/** A device whose connection does what the test says. */
function deviceOf() {
  const native = new FakeDevice();
  let listener: DeviceListener | undefined;
  const rules = {
    verify: { newerOnly: false, allowVersion: undefined },
    messages: checkMessages(undefined, { isPlatform: false, isPersistent: false }),
  };
  const device = new Device({ productKey: 'pk', deviceName: 'dn' }, rules, (given) => {
    listener = given;
    return native;
  });
  const on = listener as unknown as DeviceListener;
  let connects = 0;
  const enter = (state: keyof typeof states, code?: keyof typeof errorCodes): void => {
    if (state === 'connected') connects += 1;
    const errno = code === undefined ? 0 : errorCodes[code].errno;
    on.onState(states[state], errno, '', connects, false);
  };
  const refuse = (code: keyof typeof errorCodes, detail = ''): void =>
    on.onRefused(errorCodes[code].errno, detail, '');
  native.close = () => queueMicrotask(() => on.onClosed());
  const changes: StateChange[] = [];
  device.on('state', (change) => changes.push(change));
  return { device, native, on, enter, refuse, changes };
}

describe('a subscription that the broker refuses', () => {
  test('is told by the state, which stays connected, and by an event', () => {
    const { device, enter, refuse, changes } = deviceOf();
    const refused: unknown[] = [];
    device.on('refused', (error) => refused.push(error));
    enter('connected');
    refuse('ERR_MQTT_SUBSCRIBE', '/ota/device/upgrade/pk/dn');
    const error = { code: 'ERR_MQTT_SUBSCRIBE', detail: '/ota/device/upgrade/pk/dn' };
    expect([device.state, device.error]).toMatchObject(['connected', error]);
    expect(changes.at(-1)).toMatchObject({ state: 'connected', error, needsOperator: true });
    expect(refused).toMatchObject([error]);
    enter('waiting', 'ERR_CONNECTION_RESET');
    enter('connected');
    expect([device.state, device.error]).toEqual(['connected', undefined]);
  });

  test('or does not answer in time', () => {
    const { device, enter, refuse, changes } = deviceOf();
    enter('connected');
    refuse('ERR_TIMEOUT');
    expect([device.state, device.error]).toMatchObject(['connected', { code: 'ERR_TIMEOUT' }]);
    expect(changes.at(-1)?.needsOperator).toBe(false);
  });

  test('changes no state of a connection that is gone, and neither does a refused notice', () => {
    const { enter, refuse, changes } = deviceOf();
    enter('waiting', 'ERR_CONNECT');
    refuse('ERR_MQTT_SUBSCRIBE');
    enter('connected');
    refuse('ERR_NOTICE_FIELD');
    expect(changes.map(({ state }) => state)).toEqual(['waiting', 'connected']);
  });
});

test('a state that needs an operator is marked', () => {
  const { enter, changes } = deviceOf();
  enter('waiting', 'ERR_MQTT_CREDENTIALS');
  enter('connecting');
  enter('waiting', 'ERR_CONNECT');
  enter('waiting', 'ERR_TLS_CERTIFICATE');
  enter('connected');
  expect(changes.map(({ needsOperator }) => needsOperator)).toEqual([
    true,
    true,
    false,
    true,
    false,
  ]);
});

describe('closed', () => {
  test('resolves with undefined after close(), whoever calls it how often', async () => {
    const { device, enter } = deviceOf();
    enter('connected');
    await Promise.all([device.close(), device.close()]);
    expect([await device.closed, device.state]).toEqual([undefined, 'closed']);
  });

  test('resolves with why the connection was given up', async () => {
    const { device, enter, changes } = deviceOf();
    enter('closed', 'ERR_NO_MEMORY');
    expect(await device.closed).toMatchObject({ code: 'ERR_NO_MEMORY' });
    expect(changes.map(({ state }) => state)).toEqual(['closing', 'closed']);
    expect(device.error).toMatchObject({ code: 'ERR_NO_MEMORY' });
  });
});

describe('on()', () => {
  test('hands upgrades to every listener, those first that wait already, and none twice', async () => {
    const { device, on, enter } = deviceOf();
    enter('connected');
    on.onUpgrade(new FakeJob());
    const heard: string[] = [];
    device.on('upgrade', ({ version }) => heard.push(`a ${version}`));
    const second = device.on('upgrade', ({ version }) => heard.push(`b ${version}`));
    await null;
    on.onUpgrade(new FakeJob({ id: '2' }));
    on.onUpgrade(new FakeJob({ id: '3', version: '3.0.0' }));
    second.off();
    on.onUpgrade(new FakeJob({ id: '4', version: '4.0.0' }));
    expect(heard).toEqual(['a 2.0.0', 'b 2.0.0', 'a 3.0.0', 'b 3.0.0', 'a 4.0.0']);
    // Nothing was taken from who iterates.
    expect((await device.ota.upgrades().next()).value).toMatchObject({ version: '4.0.0' });
  });

  test('one that is off before it has heard of what waits hears nothing', async () => {
    const { device, on } = deviceOf();
    on.onUpgrade(new FakeJob());
    const heard = jest.fn();
    device.on('upgrade', heard)[Symbol.dispose]();
    await null;
    expect(heard).not.toHaveBeenCalled();
  });

  test('what nobody has taken is told when it is dropped', () => {
    const { device, on } = deviceOf();
    const refused: string[] = [];
    device.on('refused', ({ code, detail }) => refused.push(`${code} ${detail}`));
    on.onUpgrade(new FakeJob());
    on.onUpgrade(new FakeJob({ id: '2', version: '3.0.0' }));
    const why = 'to 2.0.0 was dropped: 3.0.0 was announced after it';
    expect(refused).toEqual([`ERR_QUEUE_FULL the upgrade of module default ${why}`]);
  });

  test('refuses other events, and what is no function', () => {
    const { device } = deviceOf();
    const event = refusalOf(() => device.on('progress' as never, () => {}));
    expect(event.message).toBe(
      'event must be one of upgrade, state, refused, clock, got "progress"',
    );
    refusalOf(() => device.on('state', {} as never));
  });
});

test('progress() of an upgrade ends with the device, consumed or not', async () => {
  const { device, on } = deviceOf();
  on.onUpgrade(new FakeJob());
  const upgrade = await device.ota.nextUpgrade();
  const waiting = upgrade.progress().next();
  await device.close();
  const end = { done: true, value: undefined };
  expect([await waiting, await upgrade.progress().next()]).toEqual([end, end]);
});
