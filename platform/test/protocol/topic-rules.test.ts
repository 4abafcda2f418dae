import { filterMatches, topicFlaw } from '../../src/protocol/topic-rules';

describe('topics', () => {
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

  test('have limits', () => {
    expect(topicFlaw(`/${'x'.repeat(127)}`)).toBeUndefined();
    expect(topicFlaw(`/${'x'.repeat(128)}`)).toMatch(/128/);
    expect(topicFlaw(`/${'é'.repeat(64)}`)).toMatch(/128/);
    expect(topicFlaw('/1/2/3/4/5/6/7')).toBeUndefined();
    expect(topicFlaw('/1/2/3/4/5/6/7/8')).toMatch(/levels/);
    expect(topicFlaw('x')).toMatch(/start/);
    // What the platform puts before the topic of a call is not the device's.
    expect(topicFlaw('/ext/rrpc/+/1/2/3/4/5/6/7')).toBeUndefined();
    expect(topicFlaw('/ext/rrpc/+/1/2/3/4/5/6/7/8')).toMatch(/levels/);
    expect(topicFlaw(`/ext/rrpc/1234567890123456789/${'x'.repeat(127)}`)).toBeUndefined();
  });
});
