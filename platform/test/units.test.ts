import { filterMatches, isOwnTopic, topicFlaw } from '../src/broker/permissions';
import { Events } from '../src/events';
import { UrlSigner } from '../src/firmware/signed-url';
import { ManualClock, systemClock } from '../src/index';

describe('ManualClock', () => {
  test('calls what falls due in its order, at its time', () => {
    const clock = new ManualClock(1000);
    const calls: [string, number][] = [];
    const note = (name: string) => () => calls.push([name, clock.now()]);
    clock.at(1300, note('c'));
    clock.at(1100, note('a'));
    const cancelled = clock.at(1150, note('x'));
    clock.at(1200, () => {
      note('b')();
      clock.at(clock.now() + 50, note('b2'));
    });
    cancelled.cancel();
    clock.advance(250);
    expect(calls).toEqual([
      ['a', 1100],
      ['b', 1200],
      ['b2', 1250],
    ]);
    expect(clock.now()).toBe(1250);
    clock.advance(1000);
    expect(calls.at(-1)).toEqual(['c', 1300]);
  });
});

describe('systemClock', () => {
  test('calls at a time that has passed in the next turn, and not when cancelled', async () => {
    let called = false;
    systemClock
      .at(0, () => {
        throw new Error('it was cancelled');
      })
      .cancel();
    await new Promise<void>((resolve) => {
      systemClock.at(systemClock.now() - 5, () => {
        called = true;
        resolve();
      });
      expect(called).toBe(false);
    });
  });

  test('does not call early when the time is further than a timer reaches', () => {
    jest.useFakeTimers();
    try {
      let called = false;
      const days = 60 * 86_400_000;
      systemClock.at(Date.now() + days, () => {
        called = true;
      });
      jest.advanceTimersByTime(days - 1);
      expect(called).toBe(false);
      jest.advanceTimersByTime(1);
      expect(called).toBe(true);
    } finally {
      jest.useRealTimers();
    }
  });
});

describe('topics', () => {
  const key = { productKey: 'pk', deviceName: 'dn' };

  test.each([
    ['/ota/device/inform/pk/dn', true],
    ['/ota/device/+/pk/dn', true],
    ['/sys/pk/dn/thing/ota/firmware/get_reply', true],
    ['/sys/pk/dn/#', true],
    ['/pk/dn/user/x', true],
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

  test('have limits', () => {
    expect(topicFlaw(`/${'x'.repeat(127)}`)).toBeUndefined();
    expect(topicFlaw(`/${'x'.repeat(128)}`)).toMatch(/128/);
    expect(topicFlaw(`/${'é'.repeat(64)}`)).toMatch(/128/);
    expect(topicFlaw('/1/2/3/4/5/6/7')).toBeUndefined();
    expect(topicFlaw('/1/2/3/4/5/6/7/8')).toMatch(/levels/);
    expect(topicFlaw('x')).toMatch(/start/);
  });
});

describe('UrlSigner', () => {
  const clock = new ManualClock(1_000_000_000_000);
  const signer = new UrlSigner(Buffer.alloc(32, 1), clock);

  test('knows its own, and no other', () => {
    const url = signer.sign('/firmware/1.bin', 10, { hop: '1.2.302' });
    expect(signer.check(url)).toBeUndefined();
    const other = new UrlSigner(Buffer.alloc(32, 2), clock);
    expect(other.check(url)).toBe('altered');
    for (let index = 0; index < url.length; index++) {
      const char = url[index] === 'x' ? 'y' : 'x';
      expect(signer.check(url.slice(0, index) + char + url.slice(index + 1))).toBe('altered');
    }
  });

  test.each([0, 100, 117, 118, 119, 120, 121, 130, 4000])('pads to %d characters', (length) => {
    const url = signer.sign('/firmware/1.bin', 10, {}, length);
    expect(url.length).toBeGreaterThanOrEqual(length);
    expect(url.length).toBeLessThanOrEqual(Math.max(length + 17, 98));
    expect(signer.check(url)).toBeUndefined();
  });
});

test("a listener's mistake is thrown a turn later, not into what emits", () => {
  const events = new Events(new ManualClock());
  const thrown: (() => void)[] = [];
  const later = jest.spyOn(globalThis, 'queueMicrotask').mockImplementation((call) => {
    thrown.push(call);
  });
  try {
    events.on('version-reported', () => {
      throw new Error('mistake');
    });
    events.emit('version-reported', { productKey: 'a', deviceName: 'b', version: '1' });
    expect(thrown).toHaveLength(1);
    expect(thrown[0]).toThrow('mistake');
  } finally {
    later.mockRestore();
  }
});
