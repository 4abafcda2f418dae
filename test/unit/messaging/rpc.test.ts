import { Feed } from '../../../lib/base/feed';
import { type Message, ReceivedMessage } from '../../../lib/messaging/message';
import { Messaging } from '../../../lib/messaging/messaging';
import { checkMessages } from '../../../lib/messaging/options';
import { answerCalls, callsTo, type RpcHandler, systemCalls } from '../../../lib/messaging/rpc';
import type { TopicSubscription } from '../../../lib/messaging/subscription-feed';
import { FakeDevice } from '../support';

const system = systemCalls('pk', 'dn');

/** Hands out these calls, and collects the answers until each has settled. */
async function answersTo(topics: readonly string[], handler: RpcHandler): Promise<unknown[]> {
  const left: Message[] = topics.map((topic) => new ReceivedMessage(topic, new Uint8Array(0), 0));
  const feed = new Feed<Message>({
    take: () => left.shift(),
    detach: () => {},
    signal: undefined,
  });
  feed.end();
  const answers: unknown[] = [];
  await answerCalls(feed as never as TopicSubscription, system, handler, async (...answer) => {
    answers.push(answer);
  });
  await new Promise((resolve) => setImmediate(resolve));
  return answers;
}

test('topics, ids and where answers go', () => {
  expect(system.filter).toBe('/sys/pk/dn/rrpc/request/+');
  expect(system.idOf('/sys/pk/dn/rrpc/request/17')).toBe('17');
  expect(system.answerTo('/sys/pk/dn/rrpc/request/17')).toBe('/sys/pk/dn/rrpc/response/17');
  const custom = callsTo('/pk/dn/user/get');
  expect(custom.filter).toBe('/ext/rrpc/+/pk/dn/user/get');
  expect(custom.idOf('/ext/rrpc/18/pk/dn/user/get')).toBe('18');
  expect(custom.answerTo('/ext/rrpc/18/pk/dn/user/get')).toBe('/ext/rrpc/18/pk/dn/user/get');
});

test('a call that is delivered twice is answered once, and a slow one holds up no other', async () => {
  let answerFirst: (payload: string) => void = () => {};
  const calls = ['1', '2', '1'].map((id) => `/sys/pk/dn/rrpc/request/${id}`);
  const answers = await answersTo(calls, ({ id }) => {
    if (id === '2') {
      queueMicrotask(() => answerFirst('late'));
      return 'now';
    }
    return new Promise((resolve) => {
      answerFirst = resolve;
    });
  });
  expect(answers).toEqual([
    ['/sys/pk/dn/rrpc/response/2', 'now'],
    ['/sys/pk/dn/rrpc/response/1', 'late'],
  ]);
});

test('calls to a topic have to be asked for at the connect', async () => {
  const native = new FakeDevice();
  const host = {
    productKey: 'pk',
    deviceName: 'dn',
    holdWhile: <T>(it: Promise<T>) => it,
    onLostError: () => {},
  };
  const options = { isPlatform: true, isPersistent: false };
  const messaging = new Messaging(host, native, checkMessages(undefined, options));
  const refused = messaging.onRpc(() => '', { topic: '/t' });
  await expect(refused).rejects.toMatchObject({
    code: 'ERR_UNSUPPORTED',
    detail: 'calls to a topic need connect({ messages: { customRpc: true } })',
  });
  const wrong = messaging.onRpc('no function' as never);
  await expect(wrong).rejects.toMatchObject({ code: 'ERR_INVALID_ARGUMENT' });
});
