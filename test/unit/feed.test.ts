import { Feed } from '../../lib/feed';

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
  return { feed, push, detached: () => detached };
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

test('a signal that is aborted already', async () => {
  const { feed } = feedOf<number>(AbortSignal.abort('gone'));
  await expect(feed.next()).rejects.toBe('gone');
});
