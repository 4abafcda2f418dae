import { IotkitError } from '../../../lib/base/errors';
import { Messaging } from '../../../lib/messaging/messaging';
import { checkMessages } from '../../../lib/messaging/options';
import { FakeDevice } from '../support';

function requestsOf() {
  const native = new FakeDevice();
  const host = {
    productKey: 'pk',
    deviceName: 'dn',
    holdWhile: <T>(it: Promise<T>) => it,
    onLostError: () => {},
  };
  const other = { isPlatform: true, isPersistent: false };
  const messaging = new Messaging(host, native, checkMessages(undefined, other));
  messaging.onConnected();
  const reply = (text: string): void => {
    const bytes = new TextEncoder().encode(text);
    messaging.onMessages(Uint32Array.of(1, 0, 0, bytes.length).buffer, ['t_reply'], bytes.buffer);
  };
  /** Lets what was awaited go on. */
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const sent = (): { id: string; version: string }[] =>
    native.published.map(([, payload]) => JSON.parse(String(payload)));
  return { native, messaging, reply, settled, sent };
}

test('a request waits for the subscription of its replies, which later ones share', async () => {
  const { native, messaging, reply, settled, sent } = requestsOf();
  const first = messaging.request('t', { params: { a: 1 } });
  await settled();
  expect([[...native.subscribed.values()], sent()]).toEqual([['t_reply'], []]);
  messaging.onSubscribed(1, 0, undefined);
  const second = messaging.request('t', { version: '2.0' });
  await settled();
  expect(sent()).toMatchObject([{ version: '1.0', params: { a: 1 } }, { version: '2.0' }]);
  const [{ id: firstId } = { id: '' }, { id: secondId } = { id: '' }] = sent();
  reply('no JSON');
  reply('7');
  reply(JSON.stringify({ id: 'another', code: 200 }));
  reply(JSON.stringify({ id: secondId, code: 200, data: [2] }));
  // As a number, and without a code, as some answer.
  reply(JSON.stringify({ id: Number(firstId) }));
  expect(await Promise.all([first, second])).toEqual([
    { id: firstId, code: 200, message: '', data: undefined },
    { id: secondId, code: 200, message: '', data: [2] },
  ]);
  expect(native.subscribed.size).toBe(1);
});

test('a request whose replies are refused fails, and the next one asks again', async () => {
  const { native, messaging, settled } = requestsOf();
  for (const packetId of [1, 2]) {
    const request = messaging.request('t', {});
    await settled();
    expect(native.subscribed.size).toBe(1);
    messaging.onSubscribed(packetId, 0, new IotkitError('ERR_MQTT_SUBSCRIBE', 't_reply'));
    await expect(request).rejects.toMatchObject({ code: 'ERR_MQTT_SUBSCRIBE' });
  }
});

test('a request ends in time, with its signal, and with the device', async () => {
  const { messaging, settled } = requestsOf();
  jest.useFakeTimers({ doNotFake: ['setImmediate'] });
  const late = messaging.request('t', {}, { timeout: 50 });
  const controller = new AbortController();
  const aborted = messaging.request('t', {}, { signal: controller.signal });
  const closed = messaging.request('t', {});
  await settled();
  messaging.onSubscribed(1, 0, undefined);
  await settled();
  jest.advanceTimersByTime(50);
  controller.abort(new Error('enough'));
  messaging.close(new IotkitError('ERR_CLOSED', 'the device was closed'));
  jest.useRealTimers();
  await expect(late).rejects.toMatchObject({
    code: 'ERR_TIMEOUT',
    detail: 'no reply on t_reply within 50 ms',
  });
  await expect(aborted).rejects.toThrow('enough');
  await expect(closed).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  await expect(messaging.request('t', {})).rejects.toMatchObject({ code: 'ERR_CLOSED' });
});

test.each([
  [undefined, {}, 'body must be an object, got undefined'],
  [[], {}, 'body must be an object, got an array'],
  [{}, { timeout: 0 }, 'timeout must be a whole number from 1 to 3600000, got 0'],
  [{}, { reply: 't' }, 'options has no option reply; its options are replyTopic, timeout, signal'],
])('request(%j, %j) is refused', async (body, options, message) => {
  const { messaging } = requestsOf();
  const refused = messaging.request('t', body as never, options as never);
  await expect(refused).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT', message });
});
