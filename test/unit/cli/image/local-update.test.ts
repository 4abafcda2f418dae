import { LocalUpdate } from '../../../../lib/cli/image/local-update';
import { ProgressLine } from '../../../../lib/cli/progress-line';
import type { UpdateAgent } from '../../../../lib/install/agent';
import type { Installer } from '../../../../lib/install/installer';
import type { Upgrade } from '../../../../lib/ota/upgrade';

test('a signal that came before it began ends it, and nothing is begun', async () => {
  const reason = new Error('ended by SIGINT');
  const update = new LocalUpdate(
    { installer: {} as Installer },
    {
      ...{ accepts: true, restarts: true, line: new ProgressLine(false), say: () => {} },
      signal: AbortSignal.abort(reason),
    },
  );
  const begun: string[] = [];
  const agent = {
    entry: () => undefined,
    on: () => ({ off() {}, [Symbol.dispose]() {} }),
    run: async () => {
      begun.push('run');
    },
  };
  const upgrade = { on: () => {}, async *progress() {} };
  const run = update.run(agent as unknown as UpdateAgent, upgrade as unknown as Upgrade);
  // One that missed it would wait for an update that never ends.
  const rounds = (async () => {
    for (let i = 0; i < 10; i += 1) await Promise.resolve();
    return 'it goes on';
  })();
  await expect(Promise.race([run, rounds])).rejects.toBe(reason);
  expect(begun).toEqual([]);
});
