// What an update counts, reports and does again, over restarts.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { UpdateAgentOptions } from '../../../lib/install/agent-options';
import type { Installer } from '../../../lib/install/installer';
import { RecordFile, type UpdateEntry } from '../../../lib/install/record';
import type { UpdateDevice } from '../../../lib/install/reports';
import {
  begin,
  changed,
  isReported,
  life,
  machine,
  reached,
  restartedAlone,
  serviceOf,
  start,
  task,
  untilReported,
  useMachine,
} from '../../support/running-agent';
import { SimulatedMachine } from '../../support/simulated-machine';
import { Life, type OtherModule } from '../../support/updated-device';

useMachine();

const sick = (check: () => unknown): Pick<UpdateAgentOptions, 'health'> => ({
  health: { checks: [check], holdMs: 10_000, withinMs: 60_000 },
});

describe('what is begun so often and no more', () => {
  test('the trial of a version that ends the power each time', async () => {
    let trials = 0;
    const check = async (): Promise<boolean> => {
      if (machine.running === '1.0.0') return true;
      trials += 1;
      life.power.off();
      return false;
    };
    const upgrade = task();
    const entry = await untilReported(upgrade, { attempts: 2, ...sick(check) });
    expect(entry).toMatchObject({
      phase: 'rolledBack',
      trials: 2,
      reason: 'B was not healthy within 2 starts',
    });
    expect(trials).toBe(2);
  });

  test('the restart of a machine that starts the old slot, though the new one is the next', async () => {
    const upgrade = task();
    let entry: UpdateEntry | undefined;
    let restarts = 0;
    for (let starts = 0; starts < 8 && entry === undefined; starts += 1) {
      await begin(upgrade);
      machine.booted = 'A';
      const environment = machine.readEnvironment();
      environment.slots.B.tries = 0;
      machine.writeEnvironment(environment);
      const agent = await life.open();
      const ended = reached(agent, isReported);
      void agent.run();
      entry = (await Promise.race([ended, life.power.cut])) ?? undefined;
      if (life.power.steps.includes('reboot')) restarts += 1;
    }
    expect(entry).toMatchObject({
      phase: 'rolledBack',
      reason: 'A started 3 times in its place',
    });
    expect(restarts).toBe(3);
  });
});

describe('a restart of the service', () => {
  test('that cannot be is no restart that leaves the old release running: it goes back at once', async () => {
    await begin(task());
    const service: Installer = { ...serviceOf(machine), restarts: 'service' };
    const reboot = async (): Promise<void> => {
      throw new Error('the unit is masked');
    };
    const agent = await life.open({ installer: changed(service, { reboot }) });
    const ended = reached(agent, isReported);
    void agent.run();
    expect(await ended).toMatchObject({ phase: 'rolledBack', reason: 'the unit is masked' });
    expect(life.errors).toEqual([]);
  });

  test('that goes back, and is done later than it is asked for, is not asked for again at once', async () => {
    await begin(task());
    const service: Installer = { ...serviceOf(machine), restarts: 'service' };
    let restarts = 0;
    life.clock.onSleep = () => {
      if (restarts > 1) machine.booted = 'A';
    };
    const reboot = async (): Promise<void> => {
      restarts += 1;
      if (restarts === 1) machine.booted = 'B';
      if (restarts === 50) machine.booted = 'A';
    };
    const agent = await life.open({
      installer: changed(service, { reboot }),
      ...sick(() => restarts === 0),
    });
    const ended = reached(agent, isReported);
    void agent.run();
    expect(await ended).toMatchObject({ phase: 'rolledBack' });
    expect(restarts).toBe(2);
  });
});

test('modules of which one is confirmed by hand, and another is not, go back together', async () => {
  const other: OtherModule = {
    ...{ module: 'mcu', machine: new SimulatedMachine('file'), task: task('7.0.0') },
  };
  const first = task();
  const entries: UpdateEntry[] = [];
  const check = async (): Promise<boolean> => {
    if (machine.running === '1.0.0') return true;
    await other.machine.installer.markGood();
    return false;
  };
  let own: Life | undefined;
  for (let starts = 0; starts < 8 && entries.length < 2; starts += 1) {
    await own?.close();
    own = new Life(machine, first, 0, [other]);
    const agent = await own.open({
      installer: undefined,
      modules: [
        { installer: machine.installer },
        { module: 'mcu', installer: restartedAlone(other) },
      ],
      together: true,
      ...sick(check),
    });
    const both = new Promise<void>((resolve) => {
      agent.on('state', (entry) => isReported(entry) && entries.push(entry) === 2 && resolve());
    });
    void agent.run();
    await Promise.race([both, own.power.cut]);
  }
  expect(entries).toMatchObject(Array(2).fill({ phase: 'rolledBack' }));
  expect([machine.running, other.machine.running]).toEqual(['1.0.0', '1.0.0']);
  await own?.close();
  await other.machine.close();
});

test('a trial whose version nobody knows is confirmed, and nobody hears of a version, then or later', async () => {
  const upgrade = task();
  await start(upgrade);
  await life.power.cut;
  writeFileSync(join(machine.folder, 'update.record'), 'damaged', { mode: 0o600 });
  for (const errors of [1, 0]) {
    await begin({ ...upgrade, state: 'failed' }); // nothing is announced
    const agent = await life.open();
    await agent.resume();
    await agent.close();
    expect(agent.entry()).toMatchObject({ phase: 'confirmed', version: '', reported: true });
    expect(life.power.steps).toContain('markGood');
    expect(life.power.steps).not.toContain('report: version');
    expect(life.errors).toHaveLength(errors); // that of the record
  }
});

describe('after a start', () => {
  /** The entry of an update that has ended, which the platform has not heard of. */
  async function endedUnheard(given: Partial<UpdateEntry>): Promise<void> {
    await untilReported(task());
    await life.agent.close();
    const record = await RecordFile.open(join(machine.folder, 'update.record'));
    await record.put({ ...(record.entry('') as UpdateEntry), reported: false, ...given });
    await begin({ ...task(), state: 'failed' }); // nothing is announced
  }

  test('a version that was confirmed, and not heard of, is reported once', async () => {
    await endedUnheard({});
    const agent = await life.open();
    const ended = reached(agent, isReported);
    void agent.run();
    await ended;
    expect(life.platform.versions).toEqual([{ version: '2.0.0', module: undefined }]);
  });

  test('a failure that nobody has heard of is reported before what runs', async () => {
    await endedUnheard({ phase: 'rolledBack', reason: 'it was sick', step: -1 });
    const agent = await life.open({ version: () => machine.running ?? '' });
    void agent.run();
    await life.power.reached('report: version');
    const reports = life.power.steps.filter((step) => step.startsWith('report'));
    expect(reports).toEqual(['report: failure', 'report: version']);
  });
});

test('the platform is asked what it still wants once it has heard what has ended', async () => {
  const upgrade = task();
  await start(upgrade);
  await life.power.cut;
  await begin(upgrade);
  const { device } = life.platform;
  const order: string[] = [];
  let asked: () => void;
  const isAsked = new Promise<void>((resolve) => {
    asked = resolve;
  });
  const slow: UpdateDevice = {
    get state() {
      return device.state;
    },
    on: (event, listener) => device.on(event, listener),
    ota: {
      upgrades: (options) => device.ota.upgrades(options),
      reportProgress: (step, options) => device.ota.reportProgress(step, options),
      reportVersion: async (version, options) => {
        for (let turn = 0; turn < 1000; turn += 1) {
          await new Promise((resolve) => setImmediate(resolve));
        }
        await device.ota.reportVersion(version, options);
        order.push(`heard of ${version}`);
      },
      check: async (options) => {
        order.push('asked');
        asked();
        return device.ota.check(options);
      },
    },
  };
  const agent = await life.open({ device: slow });
  void agent.run();
  await isAsked;
  expect(order).toEqual(['heard of 2.0.0', 'asked']);
});
