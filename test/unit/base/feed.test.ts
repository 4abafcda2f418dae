import { getEventListeners } from 'node:events';
import { Feed } from '../../../lib/base/feed';

/** A feed of a list; `detached` counts. */
function feedOf<T>(signal?: AbortSignal) {
  const values: T[] = [];
  let detached = 0;
  const feed = new Feed<T>({
    take: () => values.shift(),
    detach: () => {
      detached += 1;
    },
    signal,
  });
  const push = (...more: T[]): void => {
    values.push(...more);
    feed.wake();
  };
  return { feed, push, detached: () => detached, left: () => values };
}

const done = { done: true, value: undefined };

test('values that were there and values that come are handed out in order', async () => {
  const { feed, push } = feedOf<number>();
  push(1, 2);
  expect(await feed.next()).toEqual({ done: false, value: 1 });
  const later = [feed.next(), feed.next(), feed.next()];
  push(3);
  push(4);
  const values = (await Promise.all(later)).map(({ value }) => value);
  expect(values).toEqual([2, 3, 4]);
});

test('end() hands out what is there, then ends, and detaches once', async () => {
  const { feed, push, detached } = feedOf<number>();
  push(1);
  feed.end();
  feed.end();
  expect(await feed.next()).toEqual({ done: false, value: 1 });
  expect(await feed.next()).toEqual(done);
  expect(await feed.next()).toEqual(done);
  expect(detached()).toBe(1);
});

test('end() ends those who wait', async () => {
  const { feed } = feedOf<number>();
  const waiting = [feed.next(), feed.next()];
  feed.end();
  expect(await Promise.all(waiting)).toEqual([done, done]);
});

test('leaving the loop detaches', async () => {
  const { feed, push, detached } = feedOf<number>();
  push(1, 2);
  for await (const value of feed) {
    expect(value).toBe(1);
    break;
  }
  expect(detached()).toBe(1);
  expect(await feed.next()).toEqual(done);
});

test('a signal ends it by throwing its reason once, waiting or not', async () => {
  const reason = new Error('enough');
  for (const waits of [true, false]) {
    const abort = new AbortController();
    const { feed, detached } = feedOf<number>(abort.signal);
    const early = waits ? feed.next() : undefined;
    abort.abort(reason);
    await expect(early ?? feed.next()).rejects.toBe(reason);
    expect(await feed.next()).toEqual(done);
    expect(detached()).toBe(1);
  }
});

test('a signal that is aborted already takes no value', async () => {
  const { feed, push, left } = feedOf<number>(AbortSignal.abort('gone'));
  push(1);
  await expect(feed.next()).rejects.toBe('gone');
  expect(await feed.next()).toEqual(done);
  expect(left()).toEqual([1]);
});

test('nor does one whose event another listener has stopped', async () => {
  const abort = new AbortController();
  abort.signal.addEventListener = () => {}; // nobody hears of it
  const { feed, push, left } = feedOf<number>(abort.signal);
  const waiting = feed.next();
  abort.abort('gone');
  push(1);
  await expect(waiting).rejects.toBe('gone');
  expect(left()).toEqual([1]);
});

test('one that is to end listens to its signal no longer, but still looks at it', async () => {
  const abort = new AbortController();
  const { feed, push, left } = feedOf<number>(abort.signal);
  push(1, 2);
  feed.end();
  expect(getEventListeners(abort.signal, 'abort')).toEqual([]);
  expect(await feed.next()).toEqual({ done: false, value: 1 });
  abort.abort('gone');
  await expect(feed.next()).rejects.toBe('gone');
  expect(left()).toEqual([2]);
});

test('the end of a block ends it', async () => {
  const { feed, detached } = feedOf<number>();
  {
    await using _ = feed;
  }
  expect(detached()).toBe(1);
});
