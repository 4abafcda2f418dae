// A window that closes while an update waits for something else.
import { Gate } from '../../../lib/install/gate';
import { checkHooks } from '../../../lib/install/hooks';
import { checkPolicy, type PolicyOptions } from '../../../lib/install/policy';
import { beginning, type UpdateEntry } from '../../../lib/install/record';

const HOUR = 3_600_000;
const entry: UpdateEntry = {
  ...{ ...beginning, id: '1', module: '', version: '2.0.0', size: 1, phase: 'downloaded' },
  digest: { method: 'sha256', value: '' },
};

let time: number;
beforeEach(() => {
  time = new Date(2026, 0, 1, 3, 0).getTime();
});

function gate(policy: PolicyOptions): Gate {
  const host = {
    policy: checkPolicy({ window: { from: '03:00', to: '04:00' }, ...policy }),
    hooks: checkHooks(undefined),
    clock: {
      now: () => time,
      elapsed: () => time,
      sleep: async (ms: number) => {
        time += ms;
      },
    },
    signal: new AbortController().signal,
    consent: async () => {},
    whenReplaced: () => () => {},
    heldMs: () => 0,
    noteHeld: async () => {},
  };
  return new Gate(host);
}

test('a lock that comes when the window has closed is given back, and asked for again in the next one', async () => {
  const asked: (readonly [number, number])[] = [];
  const mayInstall = (): boolean => {
    const now = new Date(time);
    asked.push([now.getDate(), now.getHours()]);
    if (asked.length === 1) time += 2 * HOUR; // the answer takes long
    return true;
  };
  await gate({ lock: { mayInstall } }).mayInstall(entry);
  expect(asked).toEqual([
    [1, 3],
    [2, 3],
  ]);
});
