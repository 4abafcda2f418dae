import {
  blockReplyTopic,
  configGetReplyTopic,
  configPushTopic,
  getReplyTopic,
  isSystemTopic,
  ownerOf,
  parseUpstream,
  requestTopic,
  UPSTREAM_FILTERS,
  upgradeTopic,
} from '../../src/protocol/topics';

const key = { productKey: 'pk', deviceName: 'dn' };

test.each([
  ['/ota/device/inform/pk/dn', 'inform'],
  ['/ota/device/progress/pk/dn', 'progress'],
  ['/ota/device/request/pk/dn', 'request'],
  ['/sys/pk/dn/thing/ota/firmware/get', 'get'],
  ['/sys/pk/dn/thing/file/download', 'block'],
  ['/sys/pk/dn/thing/config/get', 'config-get'],
  ['/sys/pk/dn/thing/config/push_reply', 'config-push-reply'],
])('%s is %s', (topic, kind) => {
  expect(parseUpstream(topic)).toEqual({ kind, key });
  const filter = topic.replace('pk', '+').replace('dn', '+');
  expect(UPSTREAM_FILTERS).toContain(filter);
});

test.each([
  '/ota/device/upgrade/pk/dn',
  '/ota/device/inform/pk',
  '/ota/device/inform/pk/dn/more',
  '/ota/device/inform/pk/+',
  '/sys/pk/dn/thing/ota/firmware/get_reply',
  '/sys/pk/dn/thing/event/property/post',
  '/pk/dn/user/x',
  '',
])('%j is not for the platform', (topic) => expect(parseUpstream(topic)).toBeUndefined());

test.each([
  ['/ota/device/upgrade/pk/dn', true],
  ['/sys/pk/dn/thing/x', true],
  ['/ext/ntp/pk/dn/response', true],
  ['/pk/dn/user/x', false],
])('%s is %p of the system, and of the device', (topic, isOfSystem) => {
  expect([ownerOf(topic), isSystemTopic(topic)]).toEqual([key, isOfSystem]);
});

test.each(['', '/', '/sys/pk', '/ota/device/upgrade/pk', '/pk', 'sys/pk/dn'])(
  '%j names no device',
  (topic) => expect(ownerOf(topic)).toBeUndefined(),
);

test('what the platform sends has topics of its own', () => {
  expect([
    upgradeTopic(key),
    requestTopic(key),
    getReplyTopic(key),
    blockReplyTopic(key),
    configGetReplyTopic(key),
    configPushTopic(key),
  ]).toEqual([
    '/ota/device/upgrade/pk/dn',
    '/ota/device/request/pk/dn',
    '/sys/pk/dn/thing/ota/firmware/get_reply',
    '/sys/pk/dn/thing/file/download_reply',
    '/sys/pk/dn/thing/config/get_reply',
    '/sys/pk/dn/thing/config/push',
  ]);
});
