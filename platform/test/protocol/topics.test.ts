import {
  blockReplyTopic,
  callTopics,
  configGetReplyTopic,
  configPushTopic,
  getReplyTopic,
  isSystemTopic,
  MESSAGE_FILTERS,
  ownerOf,
  parseUpstream,
  requestTopic,
  timeReplyTopic,
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
  ['/ext/ntp/pk/dn/request', 'time'],
  ['/sys/pk/dn/rrpc/response/7', 'call-answer'],
  ['/sys/pk/dn/thing/event/property/post', 'property-post'],
  ['/sys/pk/dn/thing/gateway/permit_reply', 'proposal-reply'],
])('%s is %s', (topic, kind) => {
  expect(parseUpstream(topic)).toEqual({ kind, key });
  const filter = topic.replace('pk', '+').replace('dn', '+').replace('7', '+');
  expect([...UPSTREAM_FILTERS, ...MESSAGE_FILTERS]).toContain(filter);
});

test('the answer to a call on a topic of its own is of whoever sent it', () => {
  const topic = '/ext/rrpc/7/any/topic';
  expect(parseUpstream(topic, key)).toEqual({ kind: 'call-answer', key });
  expect(parseUpstream(topic)).toBeUndefined();
  expect(parseUpstream('/ext/rrpc/7', key)).toBeUndefined();
});

test('a call has a topic for the request and one for the answer', () => {
  expect(callTopics(key, '7')).toEqual({
    request: '/sys/pk/dn/rrpc/request/7',
    answer: '/sys/pk/dn/rrpc/response/7',
  });
  const both = '/ext/rrpc/7/pk/dn/user/x';
  expect(callTopics(key, '7', '/pk/dn/user/x')).toEqual({ request: both, answer: both });
});

test.each([
  '/ota/device/upgrade/pk/dn',
  '/ota/device/inform/pk',
  '/ota/device/inform/pk/dn/more',
  '/ota/device/inform/pk/+',
  '/sys/pk/dn/thing/ota/firmware/get_reply',
  '/sys/pk/dn/thing/event/alarm/post',
  '/ext/ntp/pk/dn/response',
  '/sys/pk/dn/rrpc/request/7',
  '/sys/pk/dn/rrpc/response',
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

test.each([
  ['/sys/pk/dn/thing/#', 'pk/dn'],
  ['/ext/session/pk/dn/combine/login', 'pk/dn'],
  ['/ota/device/upgrade/+/+', '+/+'],
  ['/ota/#', undefined],
  ['#', undefined],
  ['/ext/rrpc/7/pk/dn', undefined],
])('the filter %s is in the branch of %p', (filter, names) => {
  const owner = ownerOf(filter);
  expect(owner && `${owner.productKey}/${owner.deviceName}`).toBe(names);
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
    timeReplyTopic(key),
  ]).toEqual([
    '/ota/device/upgrade/pk/dn',
    '/ota/device/request/pk/dn',
    '/sys/pk/dn/thing/ota/firmware/get_reply',
    '/sys/pk/dn/thing/file/download_reply',
    '/sys/pk/dn/thing/config/get_reply',
    '/sys/pk/dn/thing/config/push',
    '/ext/ntp/pk/dn/response',
  ]);
});
