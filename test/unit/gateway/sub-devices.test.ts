import { IotkitError } from '../../../lib/base/errors';
import { identityOf, nameOf, openSubDevices, turn } from './rig';

test('one that is being logged out when the connection drops has ended', async () => {
  const { subs, enter } = openSubDevices();
  await enter('a');
  const closing = subs.get(nameOf('a'))?.close();
  subs.onDisconnected();
  await closing;
  expect(subs.all()).toEqual([]);
});

test('one whose session the platform has lost has ended when it is logged out', async () => {
  const { subs, says, enter } = openSubDevices();
  const [outcome] = await enter('a');
  // The addon logs it in again by itself: nothing is logged out.
  says('loggedOut', 'a');
  expect(outcome?.status === 'fulfilled' && outcome.value).toBe(subs.get(nameOf('a')));
  await subs.get(nameOf('a'))?.close();
  expect(subs.all()).toEqual([]);
});

describe('the next login waits for the end of the last one', () => {
  test.each([
    { title: 'time-out', timeoutMs: 1, reason: { code: 'ERR_TIMEOUT' } },
    { title: 'signal', timeoutMs: 10_000, reason: { message: 'enough' } },
  ])('for no longer than its $title says', async ({ title, timeoutMs, reason }) => {
    const { native, subs, enter } = openSubDevices();
    await enter('a');
    void subs.get(nameOf('a'))?.close();
    const controller = new AbortController();
    const outcomes = subs.login([identityOf('a'), identityOf('b')], {
      timeoutMs,
      signal: controller.signal,
    });
    if (title === 'signal') controller.abort(new Error('enough'));
    expect(await outcomes).toMatchObject([
      { status: 'rejected', reason },
      { status: 'rejected', reason },
    ]);
    expect(native.logins).toEqual(['a']);
  });

  test('also of one that is closed while it waits for another', async () => {
    const { native, subs, says, login, enter } = openSubDevices();
    await enter('a', 'b');
    const [a, b] = subs.all();
    void a?.close();
    const again = login('a', 'b');
    void b?.close();
    says('loggedOut', 'a');
    await turn();
    expect(native.logins).toEqual(['a', 'b']);
    says('loggedOut', 'b');
    await turn();
    expect(native.logins).toEqual(['a', 'b', 'a', 'b']);
    says('loggedIn', 'a', 'b');
    expect((await again).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
    expect(subs.all()).not.toContain(b);
  });

  test('until the gateway ends', async () => {
    const { native, subs, enter, login } = openSubDevices();
    await enter('a');
    void subs.get(nameOf('a'))?.close();
    const again = login('a');
    native.loginResult = new IotkitError('ERR_CLOSED').errno;
    subs.onClosed();
    await expect(again).rejects.toMatchObject({ code: 'ERR_CLOSED' });
    expect(subs.all()).toEqual([]);
  });
});
