import { isOwnTopic } from '../../src/broker/permissions';

describe('topics', () => {
  const key = { productKey: 'pk', deviceName: 'dn' };

  test.each([
    ['/ota/device/inform/pk/dn', true],
    ['/ota/device/+/pk/dn', true],
    ['/sys/pk/dn/thing/ota/firmware/get_reply', true],
    ['/sys/pk/dn/#', true],
    ['/pk/dn/user/x', true],
    ['/ext/ntp/pk/dn/request', true],
    ['/ext/error/pk/dn', true],
    ['/ext/+/pk/dn/#', true],
    ['/ext/rrpc/+/any/topic', true],
    ['/ext/rrpc/+/#', true],
    ['/ext/rrpc/#', true],
    ['/ext/rrpc/7/any', true],
    ['/ext/rrpc/7', false],
    ['/ext/rrpc//any', false],
    ['/ext/rrpc/7/', false],
    ['/ext/ntp/pk/other/request', false],
    ['/ext/ntp/+/dn/request', false],
    ['/ext/ntp/pk', false],
    ['/ext/#', false],
    ['/ota/device/inform/pk/other', false],
    ['/ota/device/inform/other/dn', false],
    ['/ota/device/inform/pk/dn/more', false],
    ['/ota/device/inform/pk/+', false],
    ['/ota/device/#', false],
    ['/ota/+/inform/pk/dn', false],
    ['/sys/pk/dn', false],
    ['/sys/+/dn/x', false],
    ['/pk/dn', false],
    ['/+/dn/x', false],
    ['ota/device/inform/pk/dn', false],
    ['#', false],
    ['', false],
  ])('%j is own: %p', (topic, expected) => expect(isOwnTopic(key, topic)).toBe(expected));
});
