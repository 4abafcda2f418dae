import { IotkitError } from '../../../../lib/base/errors';
import { untilGivenUp } from '../../../../lib/cli/agent/ending';
import type { UpdateAgent } from '../../../../lib/install/agent';
import type { UpdateEntry } from '../../../../lib/install/record';

const failure = new IotkitError('ERR_NO_MEMORY', 'no means left');

/** What an agent shows of its entries. */
class Shown {
  phase: UpdateEntry['phase'] | undefined;
  #listener = (): void => {};
  readonly agent = {
    entry: (module?: string) =>
      module === 'app' && this.phase !== undefined ? { phase: this.phase } : undefined,
    on: (_: string, listener: () => void) => {
      this.#listener = listener;
      return { off() {} };
    },
  } as unknown as UpdateAgent;

  enter(phase: UpdateEntry['phase']): void {
    this.phase = phase;
    this.#listener();
  }
}

const modules = [{ module: undefined }, { module: 'app' }];

test('a device that was given up for good ends the agent, with why', async () => {
  const { agent } = new Shown();
  const closed = Promise.resolve(failure);
  await expect(untilGivenUp({ closed }, agent, modules)).rejects.toBe(failure);
  const ended = untilGivenUp({ closed: Promise.resolve(undefined) }, agent);
  await expect(ended).rejects.toMatchObject({ code: 'ERR_CLOSED' });
});

test('a trial comes to its end first', async () => {
  const shown = new Shown();
  shown.phase = 'trial';
  let isOver = false;
  const ended = untilGivenUp({ closed: Promise.resolve(failure) }, shown.agent, modules).finally(
    () => {
      isOver = true;
    },
  );
  const settled = expect(ended).rejects.toBe(failure);
  await new Promise((resolve) => setImmediate(resolve));
  shown.enter('trial');
  await new Promise((resolve) => setImmediate(resolve));
  expect(isOver).toBe(false);
  shown.enter('rolledBack');
  await settled;
});
