import { type UpgradeState, UpgradeStates } from '../../../lib/download/state';

const enterAll = (states: UpgradeStates, ...phases: readonly string[]): void => {
  for (const phase of phases) states.enter({ phase } as UpgradeState);
};

async function phasesOf(iteration: AsyncIterable<UpgradeState>): Promise<string[]> {
  const seen: string[] = [];
  for await (const { phase } of iteration) seen.push(phase);
  return seen;
}

test('the present state, then each change to the end of the run', async () => {
  const states = new UpgradeStates();
  expect(states.current).toEqual({ phase: 'announced' });
  const early = phasesOf(states.open(undefined));
  enterAll(states, 'queued', 'downloading');
  const late = phasesOf(states.open(undefined));
  enterAll(states, 'verifying', 'done');
  expect(await early).toEqual(['announced', 'queued', 'downloading', 'verifying', 'done']);
  expect(await late).toEqual(['downloading', 'verifying', 'done']);
  expect(states.current).toEqual({ phase: 'done' });
});

test.each(['done', 'failed', 'aborted'])(
  'whoever comes after %s follows the next run',
  async (end) => {
    const states = new UpgradeStates();
    enterAll(states, 'queued', end);
    const next = phasesOf(states.open(undefined));
    enterAll(states, 'queued', 'done');
    expect(await next).toEqual([end, 'queued', 'done']);
  },
);

test('a consumer who falls behind misses the oldest', async () => {
  const states = new UpgradeStates();
  const iteration = states.open(undefined);
  for (let attempt = 1; attempt <= 40; attempt += 1) {
    states.enter({ phase: 'retrying', attempt } as UpgradeState);
  }
  states.enter({ phase: 'failed', error: 'x' });
  const seen = [];
  for await (const state of iteration) seen.push('attempt' in state ? state.attempt : state.phase);
  expect(seen).toEqual([...Array.from({ length: 31 }, (_, i) => i + 10), 'failed']);
});

test('without another run the iterations end, with what was not taken yet', async () => {
  const states = new UpgradeStates();
  const iteration = states.open(undefined);
  states.end();
  expect(await phasesOf(iteration)).toEqual(['announced']);
});

test('a signal ends the iteration with its reason', async () => {
  const states = new UpgradeStates();
  const abort = new AbortController();
  const iteration = states.open(abort.signal);
  await iteration.next();
  const waiting = iteration.next();
  const reason = new Error('enough');
  abort.abort(reason);
  await expect(waiting).rejects.toBe(reason);
  expect(states.watched).toBe(false);
});

test('it is known whether somebody iterates', async () => {
  const watched: boolean[] = [];
  const states: UpgradeStates = new UpgradeStates(() => watched.push(states.watched));
  const one = states.open(undefined);
  const two = states.open(undefined);
  await one.return();
  await two.return();
  states.open(undefined);
  enterAll(states, 'queued', 'done');
  expect(watched).toEqual([true, false, true, false]);
});

test('listeners hear each change, of every run, until they are off', () => {
  const states = new UpgradeStates();
  const heard: string[] = [];
  const subscription = states.listen(({ phase }) => heard.push(phase));
  enterAll(states, 'queued', 'failed', 'queued', 'done');
  subscription.off();
  enterAll(states, 'queued');
  expect(heard).toEqual(['queued', 'failed', 'queued', 'done']);
});

test('what a listener causes is heard after the state it has heard, by all', () => {
  const states = new UpgradeStates();
  const heard: string[] = [];
  states.listen(({ phase }) => {
    if (phase === 'failed') states.enter({ phase: 'queued' });
  });
  states.listen(({ phase }) => heard.push(`${phase}, now ${states.current.phase}`));
  states.enter({ phase: 'failed', error: 'x' });
  expect(heard).toEqual(['failed, now queued', 'queued, now queued']);
});
