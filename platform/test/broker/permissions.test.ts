import { branchOf, filterMatches, isOwnTopic, topicFlaw } from '../../src/broker/permissions';

describe('topics', () => {
  const key = { productKey: 'pk', deviceName: 'dn' };

  test.each([
    ['/ota/device/inform/pk/dn', true],
    ['/ota/device/+/pk/dn', true],
    ['/sys/pk/dn/thing/ota/firmware/get_reply', true],
    ['/sys/pk/dn/#', true],
    ['/pk/dn/user/x', true],
    ['/ext/session/pk/dn/combine/+', true],
    ['/ext/error/pk/dn', true],
    ['/ext/error/pk/dn/x', false],
    ['/ext/session/pk/dn', false],
    ['/ext/session/pk/other/combine/login', false],
    ['/ext/register/pk/dn', false],
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

  test.each([
    ['/a/b', '/a/b', true],
    ['/a/+', '/a/b', true],
    ['/a/#', '/a/b/c', true],
    ['/a/#', '/a', true],
    ['/a/b', '/a/b/c', false],
    ['/a/b/c', '/a/b', false],
    ['/a/+', '/a/b/c', false],
    ['/a/+/c', '/a/b/c', true],
  ])('%s for %s: %p', (filter, topic, expected) => {
    expect(filterMatches(filter, topic)).toBe(expected);
  });

  test.each([
    ['/ota/device/upgrade/pk/dn', 'dn&pk'],
    ['/sys/pk/dn/thing/#', 'dn&pk'],
    ['/ext/session/pk/dn/combine/login', 'dn&pk'],
    ['/pk/dn/user/x', 'dn&pk'],
    ['/ota/device/upgrade/+/+', '+&+'],
    ['/ota/#', undefined],
    ['#', undefined],
    ['', undefined],
  ])('%j is in the branch of %p', (topic, id) => {
    const key = branchOf(topic);
    expect(key && `${key.deviceName}&${key.productKey}`).toBe(id);
  });

  test('have limits', () => {
    expect(topicFlaw(`/${'x'.repeat(127)}`)).toBeUndefined();
    expect(topicFlaw(`/${'x'.repeat(128)}`)).toMatch(/128/);
    expect(topicFlaw(`/${'é'.repeat(64)}`)).toMatch(/128/);
    expect(topicFlaw('/1/2/3/4/5/6/7')).toBeUndefined();
    expect(topicFlaw('/1/2/3/4/5/6/7/8')).toMatch(/levels/);
    expect(topicFlaw('x')).toMatch(/start/);
  });
});
