import { checkCall, checkPublish, type PublishOptions } from '../../src/messages/options';

const key = { productKey: 'pk', deviceName: 'dn' };

test.each([
  ['/pk/dn/user/get', 'x'],
  ['/sys/pk/dn/thing/service/property/set', Buffer.from('x')],
  ['/ext/error/pk/dn', new Uint8Array([0x78])],
])('a message to %s is taken as bytes', (topic, payload) => {
  expect(checkPublish({ ...key, topic, payload, qos: 1 })).toEqual(Buffer.from('x'));
});

test.each([
  [{ topic: '/pk/other/user/get' }, /one of the device/],
  [{ topic: '/ext/rrpc/1/pk/dn' }, /one of the device/],
  [{ topic: 'pk/dn/user/get' }, /start with/],
  [{ topic: '/pk/dn/user/+' }, /wildcard/],
  [{ topic: '/pk/dn/user/#' }, /wildcard/],
  [{ topic: `/pk/dn/${'x'.repeat(128)}` }, /128 bytes/],
  [{ topic: 7 }, /a string/],
  [{ qos: 2 }, /qos/],
  [{ payload: 7 }, /bytes or a text/],
  [{ payload: Buffer.alloc(256 * 1024 + 1) }, /at most/],
])('a message with %j is refused', (wrong, reason) => {
  const options = { ...key, topic: '/pk/dn/user/get', payload: '', ...wrong };
  expect(() => checkPublish(options as PublishOptions)).toThrow(reason);
});

test('a call is awaited for eight seconds at most', () => {
  const call = { ...key, payload: 'x' };
  expect(checkCall(call)).toEqual({ bytes: Buffer.from('x'), timeout: 8000 });
  expect(checkCall({ ...call, topic: '/any/topic', timeoutMs: 1 }).timeout).toBe(1);
  for (const timeoutMs of [0, 8001, 0.5]) {
    expect(() => checkCall({ ...call, timeoutMs })).toThrow('timeoutMs');
  }
  for (const topic of ['x', '/', '/+'])
    expect(() => checkCall({ ...call, topic })).toThrow('topic');
});
