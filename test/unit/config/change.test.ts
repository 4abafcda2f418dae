import { IotkitError } from '../../../lib/base/errors';
import type { ConfigChange } from '../../../lib/config/change';
import { errorCodes } from '../../../lib/generated/error-codes';
import type { FakeJob } from '../support';
import { rig, settle } from './rig';

/** A configuration that was pushed with the id 7, and the job of that push. */
async function pushed(content = '{"a":1}') {
  const world = rig();
  world.connect();
  const changes = world.config.changes();
  const job = world.push('7', 'c1', content);
  const { value } = await changes.next();
  await changes.return();
  return { ...world, job, change: value as ConfigChange };
}

async function deliver(job: FakeJob, content: string, index = 0): Promise<void> {
  await settle();
  job.readers[index]?.deliver(...Buffer.from(content));
  job.readers[index]?.end();
}

const expired = errorCodes.ERR_URL_EXPIRED.errno;

test('text() and json() fetch the content once', async () => {
  const { change, job } = await pushed();
  const read = Promise.all([change.text(), change.json(), change.json()]);
  await deliver(job, '{"a":1}');
  expect(await read).toEqual(['{"a":1}', { a: 1 }, { a: 1 }]);
  expect(await change.text()).toBe('{"a":1}');
  expect(job.readers).toHaveLength(1);
});

test('nothing is fetched of one that is larger than what is taken', async () => {
  const { change, job } = await pushed('12345');
  await expect(change.text({ maxBytes: 4 })).rejects.toMatchObject({
    code: 'ERR_TOO_LONG',
    detail: 'the configuration has 5 bytes, maxBytes is 4',
  });
  expect(job.readers).toEqual([]);
});

test('a content that is not the announced one is handed to nobody, and may be fetched again', async () => {
  const { change, job } = await pushed();
  const read = change.text();
  await settle();
  job.readers[0]?.end(errorCodes.ERR_DIGEST_MISMATCH.errno);
  await expect(read).rejects.toMatchObject({ code: 'ERR_DIGEST_MISMATCH' });
  const again = change.text();
  await deliver(job, '{"a":1}', 1);
  expect(await again).toBe('{"a":1}');
});

test('save() is one file in the addon, with its permissions and nothing kept for later', async () => {
  const { change, job } = await pushed();
  const saved = change.save({ path: '/etc/app.json', mode: 0o600 });
  await settle();
  const [download] = job.files;
  expect(download?.targets).toEqual([
    { path: '/etc/app.json', mode: 0o600, inPlace: false, base: 0, journal: '' },
  ]);
  expect(download?.options).toEqual({ resume: false, share: false, signatures: [undefined] });
  download?.onEnd(0, '');
  await saved;
});

test.each([
  [[], 'target'],
  [['/a'], 'target'],
  [['/a', '/b'], 'target'],
  [{ device: '/dev/x' }, 'target'],
  [{ write: () => {} }, 'target'],
  [7, 'target'],
])('save(%j) is refused', async (target, name) => {
  const { change, job } = await pushed();
  const refused = change.save(target as never);
  await expect(refused).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  await expect(refused).rejects.toThrow(name);
  expect(job.files).toEqual([]);
});

test('calls are done one after the other; a signal ends also the wait for its turn', async () => {
  const { change, job } = await pushed();
  const stop = new AbortController();
  const read = change.text();
  const saved = change.save('/a');
  const left = change.save('/b', { signal: stop.signal });
  await settle();
  expect(job.files).toEqual([]);
  stop.abort(new Error('enough'));
  await expect(left).rejects.toThrow('enough');
  await deliver(job, '{"a":1}');
  await read;
  await settle();
  expect(job.files).toHaveLength(1);
  job.files[0]?.onEnd(0, '');
  await saved;
});

test('a signal cancels the download that runs', async () => {
  const { change } = await pushed();
  const stop = new AbortController();
  const read = change.text({ signal: stop.signal });
  await settle();
  stop.abort(new Error('enough'));
  await expect(read).rejects.toThrow('enough');
});

test('where the URL has expired the platform is asked for another one, once', async () => {
  const { change, job, native, answer } = await pushed();
  const asked = native.configRequests.length;
  const read = change.text();
  await settle();
  job.readers[0]?.end(expired);
  await settle();
  expect(native.configRequests).toHaveLength(asked + 1);
  const renewed = answer('c1', '{"a":1}');
  await settle();
  renewed.readers[0]?.end(expired);
  await expect(read).rejects.toMatchObject({ code: 'ERR_URL_EXPIRED' });
  expect(native.configRequests).toHaveLength(asked + 1);
});

test('another configuration has no URL for this one', async () => {
  const { change, job, answer } = await pushed();
  const read = change.text();
  await settle();
  job.readers[0]?.end(expired);
  await settle();
  answer('c2');
  await expect(read).rejects.toMatchObject({ code: 'ERR_URL_EXPIRED' });
});

test('a platform that has none any more leaves the error as it was', async () => {
  const { change, job, config, native } = await pushed();
  const read = change.save('/a');
  await settle();
  job.files[0]?.onEnd(expired, 'a detail');
  await settle();
  config.onNothing(native.configRequests.at(-1) ?? '');
  await expect(read).rejects.toMatchObject({ code: 'ERR_URL_EXPIRED', detail: 'a detail' });
});

test('accept() answers every push that is not answered, once', async () => {
  const { change, native, push } = await pushed();
  push('8', 'c1', '{"a":1}');
  expect(change.awaitsAnswer).toBe(true);
  await change.accept();
  expect(native.configAnswers).toEqual([
    ['7', 200, ''],
    ['8', 200, ''],
  ]);
  expect(change.toJSON()).toMatchObject({ state: 'accepted', awaitsAnswer: false });
  await expect(change.accept()).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' });
  await expect(change.reject()).rejects.toMatchObject({ code: 'ERR_INVALID_STATE' });
});

test('to one that was only fetched nothing is answered', async () => {
  const { config, native, connect, answer } = rig();
  connect();
  const asked = config.get();
  answer('c1');
  const change = (await asked) as ConfigChange;
  await change.accept();
  expect(native.configAnswers).toEqual([]);
  expect(change.state).toBe('accepted');
});

test('reject() says why', async () => {
  const { change, native } = await pushed();
  await change.reject(undefined, 'no colour');
  expect(native.configAnswers).toEqual([['7', 460, 'no colour']]);
  expect(change.state).toBe('rejected');
});

test.each([
  [[200], 'code'],
  [[0], 'code'],
  [[1.5], 'code'],
  [['460'], 'code'],
  [[460, 7], 'message'],
  [[460, 'a'.repeat(1025)], 'message'],
  [[460, 'ü'.repeat(513)], 'message'],
])('reject(%j) is refused, and it stays open', async (given, name) => {
  const { change, native } = await pushed();
  const refused = change.reject(...(given as [number, string]));
  await expect(refused).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
  await expect(refused).rejects.toThrow(name);
  expect(change.state).toBe('open');
  expect(native.configAnswers).toEqual([]);
});

test('an answer waits for a connection', async () => {
  const { change, native, connect, drop } = await pushed();
  drop();
  const accepted = change.accept();
  await settle();
  expect(native.configAnswers).toEqual([]);
  connect();
  await accepted;
  expect(native.configAnswers).toEqual([['7', 200, '']]);
});

test('the end of the device ends what waits, and nothing begins any more', async () => {
  const { change, config, drop, push, connect } = await pushed();
  const read = change.text();
  await settle();
  push('8', 'c1', '{"a":1}');
  drop();
  const accepted = change.accept();
  const closed = { code: 'ERR_CLOSED' };
  const ends = [expect(read).rejects, expect(accepted).rejects].map((it) =>
    it.toMatchObject(closed),
  );
  await config.shutdown(new IotkitError('ERR_CLOSED'));
  await Promise.all(ends);
  connect();
  await expect(change.text()).rejects.toMatchObject(closed);
  await expect(change.save('/a')).rejects.toMatchObject(closed);
  await expect(change.accept()).rejects.toMatchObject({ code: 'ERR_CLOSED' });
});

test.each([{ maxBytes: 0 }, { maxBytes: 65_537 }, { maxBytes: '1' }, { limit: 1 }, { signal: 1 }])(
  'text(%j) is refused',
  async (options) => {
    const { change } = await pushed();
    await expect(change.text(options as never)).rejects.toMatchObject({
      code: 'ERR_INVALID_ARGUMENT',
    });
  },
);
