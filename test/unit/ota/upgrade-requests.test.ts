import { IotkitError } from '../../../lib/base/errors';
import { errorCodes } from '../../../lib/generated/error-codes';
import type { Upgrade } from '../../../lib/ota/upgrade';
import { UpgradeRequests } from '../../../lib/ota/upgrade-requests';
import { FakeDevice } from '../support';

const upgrade = { version: '2' } as Upgrade;
const HOUR_MS = 3_600_000;

function requestsOf() {
  const device = new FakeDevice();
  const requests = new UpgradeRequests((module) => device.request(module));
  const ask = (module: string, signal?: AbortSignal) => requests.askFor(module, HOUR_MS, signal);
  return { device, requests, ask, ids: () => device.questions.map(({ id }) => id) };
}

test('each request gets the answer of its id, and an answer counts once', async () => {
  const { requests, ask, ids } = requestsOf();
  const [main, mcu] = [ask(''), ask('MCU')];
  const [first = '', second = ''] = ids();
  expect(requests.answered('7', upgrade)).toBe(false);
  expect(requests.answered(second, undefined)).toBe(true);
  expect(requests.answered(first, upgrade)).toBe(true);
  expect([await main, await mcu]).toEqual([upgrade, undefined]);
  expect(requests.answered(first, upgrade)).toBe(false);
});

test('a refusal is for its own request', async () => {
  const { requests, ask, ids } = requestsOf();
  const answer = ask('');
  const refusal = new IotkitError('ERR_NOTICE_FIELD');
  requests.refused('7', refusal);
  requests.refused(ids()[0] ?? '', refusal);
  await expect(answer).rejects.toBe(refusal);
});

test('without a connection it waits for one; after a lost one it is sent again', async () => {
  const { device, requests, ask, ids } = requestsOf();
  device.isConnected = false;
  const answer = ask('MCU');
  expect(ids()).toEqual([]);
  device.isConnected = true;
  requests.connected();
  requests.connected();
  const [first = '', second = ''] = ids();
  expect(requests.answered(first, upgrade)).toBe(false);
  expect(requests.answered(second, upgrade)).toBe(true);
  expect(await answer).toBe(upgrade);
  requests.connected();
  expect(ids()).toHaveLength(2);
});

test('a request that cannot be sent rejects', async () => {
  const requests = new UpgradeRequests(() => errorCodes.ERR_QUEUE_FULL.errno);
  await expect(requests.askFor('', HOUR_MS, undefined)).rejects.toMatchObject({
    code: 'ERR_QUEUE_FULL',
  });
});

test('a signal or the end of the device ends the wait, and nothing is sent any more', async () => {
  const { requests, ask, ids } = requestsOf();
  const abort = new AbortController();
  const aborted = ask('', abort.signal);
  abort.abort('enough');
  await expect(aborted).rejects.toBe('enough');
  const closed = new IotkitError('ERR_CLOSED');
  const waiting = ask('');
  requests.close(closed);
  await expect(waiting).rejects.toBe(closed);
  requests.connected();
  expect(ids()).toHaveLength(2);
});

describe('in time', () => {
  beforeEach(() => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'queueMicrotask'] });
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  test('or ERR_TIMEOUT, and no timer is left either way', async () => {
    const { requests, ask, ids } = requestsOf();
    const late = expect(ask('')).rejects.toMatchObject({
      code: 'ERR_TIMEOUT',
      detail: 'the platform did not answer within 3600000 ms',
    });
    jest.advanceTimersByTime(HOUR_MS);
    await late;
    const answer = ask('');
    requests.answered(ids().at(-1) ?? '', upgrade);
    await answer;
    expect(jest.getTimerCount()).toBe(0);
  });
});

test('a request for nobody is answered to nobody, and not sent again', () => {
  const { requests, device, ids } = requestsOf();
  const id = requests.askForNobody('MCU');
  expect([id]).toEqual(ids());
  expect(requests.answered(id ?? '', upgrade)).toBe(false);
  requests.connected();
  device.isConnected = false;
  expect(requests.askForNobody('MCU')).toBeUndefined();
  expect(ids()).toHaveLength(1);
});
