import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Installer } from '../../../lib/install/installer';
import { RecordFile, type UpdateEntry } from '../../../lib/install/record';
import {
  at,
  begin,
  changed,
  isReported,
  life,
  machine,
  reached,
  serviceOf,
  start,
  task,
  untilReported,
  useMachine,
} from '../../support/running-agent';
import { imageOf } from '../../support/simulated-machine';
import type { Task } from '../../support/updated-device';

// What fails, or comes from elsewhere, in the middle of an update.

useMachine();

test.each(['offline', 'waiting for a window'])('a proven slot keeps its tries: %s', async (why) => {
  const upgrade = task();
  await untilReported(upgrade);
  const next = why === 'offline' ? upgrade : task('3.0.0');
  for (let starts = 0; starts < 5; starts += 1) {
    await begin(next);
    if (why === 'offline') life.platform.disconnect();
    const waits = new Promise((resolve) => {
      life.clock.onSleep = () => life.clock.time > Date.UTC(2026, 0, 1, 0, 30) && resolve(true);
    });
    const agent = await life.open({
      policy: { window: { from: at(12), to: at(13) } },
      health: { holdMs: 3_600_000, withinMs: 7_200_000 },
    });
    void agent.run();
    await waits;
    expect(machine.running).toBe('2.0.0');
  }
});

test.each(['unknown', 'bad'] as const)(
  'a confirmed slot of state %s keeps its tries',
  async (state) => {
    await untilReported(task());
    await begin({ ...task(), state: 'failed' });
    life.platform.disconnect();
    const { installer } = machine;
    const marked: string[] = [];
    const agent = await life.open({
      installer: changed(installer, {
        status: async () => {
          const { booted, slots } = await installer.status();
          const others = slots.filter(({ name }) => name !== booted);
          const next = state === 'bad' ? '' : booted;
          return { booted, next, slots: [{ name: booted, state }, ...others] };
        },
        markGood: async () => void marked.push(machine.booted),
      }),
    });
    const failed = new Promise((resolve) => agent.on('error', resolve));
    void agent.run();
    expect(await failed).toMatchObject({ message: expect.stringContaining('not healthy') });
    expect(marked).toEqual(['B']);
  },
);

test('a trial is not taken for proven by an installer that knows no trials', async () => {
  const upgrade = task();
  await start(upgrade);
  await life.power.cut;
  await begin(upgrade);
  const { installer } = machine;
  const status = async () => {
    const { slots, ...rest } = await installer.status();
    return { ...rest, slots: slots.map(({ name }) => ({ name, state: 'good' as const })) };
  };
  const agent = await life.open({
    installer: changed(installer, { status }),
    version: () => machine.running ?? '',
    health: { checks: [() => false], holdMs: 10_000, withinMs: 60_000 },
  });
  void agent.run();
  await life.power.cut;
  expect(life.power.steps).not.toContain('markGood');
  expect(life.platform.versions).toEqual([]); // it is not what runs, as far as the platform is concerned
  expect(await untilReported(upgrade)).toMatchObject({ phase: 'rolledBack' });
});

test('what runs is not confirmed between an activation and its restart', async () => {
  await begin(task());
  const { installer } = machine;
  const reboot = async (): Promise<void> => {
    for (let turn = 0; turn < 100; turn += 1) await life.clock.sleep(1000);
    await installer.reboot?.();
  };
  const isActivated = (): boolean => life.power.steps.includes('activate');
  const agent = await life.open({
    installer: changed(installer, { reboot }),
    health: { checks: [isActivated], holdMs: 10_000, withinMs: 60_000 },
  });
  void agent.run();
  await life.power.cut;
  const { steps } = life.power;
  expect(steps.slice(steps.indexOf('activate'))).not.toContain('markGood');
});

test('what runs is confirmed after an update that has come to nothing', async () => {
  const upgrade = { ...task(), image: 'for another machine' };
  await begin(upgrade);
  const { installer } = machine;
  const status = async () => {
    const { slots, ...rest } = await installer.status();
    return { ...rest, slots: slots.map((slot) => ({ ...slot, state: 'unknown' as const })) };
  };
  const agent = await life.open({
    installer: changed(installer, { status }),
    health: { checks: [() => upgrade.state === 'failed'], holdMs: 10_000, withinMs: 60_000 },
  });
  void agent.run();
  await life.power.reached('markGood');
  expect(upgrade.state).toBe('failed');
});

test('a stream that a power cut has ended is asked for again by a report of what runs', async () => {
  machine.takes = 'stream';
  const upgrade = task();
  await start(upgrade);
  await life.power.reached('install: write B');
  life.power.off();
  await begin({ ...upgrade, state: 'failed' }); // nothing is announced before that
  const agent = await life.open({ version: () => machine.running ?? '' });
  void agent.run();
  await life.power.reached('report: version');
  expect(agent.entry()).toMatchObject({ phase: 'installing' });
});

test('a service that is not started again by a roll back is tried until it is', async () => {
  await begin(task());
  const service: Installer = { ...serviceOf(machine), restarts: 'service' };
  let restarts = 0;
  const reboot = async (): Promise<void> => {
    restarts += 1;
    if (restarts > 1 && restarts < 4) throw new Error('the unit is masked');
    if (restarts === 4) machine.booted = 'A';
    else machine.booted = 'B';
  };
  const status = async () => {
    const { slots, next } = await machine.installer.status();
    // As directories: what was asked for last is what runs.
    return { slots, next, booted: restarts > 1 ? 'A' : machine.booted };
  };
  const agent = await life.open({
    installer: changed(service, { reboot, status }),
    health: { checks: [() => restarts !== 1], holdMs: 10_000, withinMs: 60_000 },
  });
  void agent.run();
  expect(await reached(agent, isReported)).toMatchObject({ phase: 'rolledBack' });
  expect(restarts).toBe(4);
  expect(life.errors).toMatchObject(Array(2).fill({ message: 'the unit is masked' }));
});

test('with one attempt an update is restarted into all the same', async () => {
  const upgrade = task();
  const entry = await untilReported(upgrade, { attempts: 1 });
  expect(entry).toMatchObject({ phase: 'confirmed' });
  expect(machine.running).toBe('2.0.0');
});

test('a restart of the service that leaves the old one running is begun so often and no more', async () => {
  const upgrade = task();
  let restarts = 0;
  const reboot = async (): Promise<void> => {
    restarts += 1; // and whatever the supervisor starts is the old release
    if (restarts > 20) await new Promise(() => {});
  };
  await begin(upgrade);
  // Each start of the agent continues what the one before it has counted.
  for (let starts = 0; starts < 2; starts += 1) {
    await life.agent?.close();
    const before = restarts;
    const service: Installer = { ...serviceOf(machine), restarts: 'service' };
    const agent = await life.open({ installer: changed(service, { reboot }) });
    const ended = reached(agent, isReported);
    const again = new Promise<undefined>((resolve) => {
      life.clock.onSleep = () => restarts > before && starts === 0 && resolve(undefined);
    });
    void agent.run();
    const entry = await Promise.race([ended, again]);
    if (starts === 0) expect(entry).toBeUndefined();
    else expect(entry).toMatchObject({ phase: 'rolledBack', activations: 3 });
  }
  expect(restarts).toBe(3);
  expect((await machine.installer.status()).next).toBe('A');
  expect(upgrade.state).toBe('failed');
});

/** A trial whose checks do `act` once and then say `holds`. */
async function trial(holds: boolean, act: () => Promise<void>): Promise<Task> {
  const upgrade = task();
  await start(upgrade);
  await life.power.cut;
  let acted = false;
  const check = async (): Promise<boolean> => {
    if (!acted) await act();
    acted = true;
    return holds;
  };
  const agent = await start(upgrade, {
    health: { checks: [check], holdMs: 10_000, withinMs: 60_000 },
  });
  await Promise.race([reached(agent, isReported), life.power.cut]);
  return upgrade;
}

test('a slot that is taken back by hand during its trial is not confirmed', async () => {
  const upgrade = await trial(true, async () => {
    await machine.installer.markBad('B');
    machine.booted = 'A'; // as a service that is restarted
  });
  expect(upgrade).toMatchObject({ state: 'failed', reason: expect.stringContaining('B ended') });
});

test('one that is confirmed by hand stays, whatever the checks say', async () => {
  const upgrade = await trial(false, () => machine.installer.markGood());
  expect(upgrade.state).toBe('succeeded');
  expect(machine.running).toBe('2.0.0');
});

test.each(['status', 'version'])('an upgrade outlives a %s that fails once', async (what) => {
  await begin(task());
  const { installer } = machine;
  let left = 0;
  const failOnce = (): void => {
    left -= 1;
    if (left === 0) throw new Error('busy');
  };
  const status = async () => {
    if (what === 'status') failOnce();
    return installer.status();
  };
  const version = (): string => {
    failOnce();
    return machine.running ?? '';
  };
  const agent = await life.open({
    installer: changed(installer, { status }),
    ...(what === 'version' && { version }),
  });
  await agent.resume();
  await life.power.reached('markGood');
  left = 1;
  if (what === 'record') left = 0;
  void agent.run();
  await life.power.cut;
  expect(life.errors).toMatchObject([{ message: 'busy' }]);
  expect(life.power.steps).toContain('reboot');
});

test('a roll back whose write fails once is tried again', async () => {
  const upgrade = task();
  await start(upgrade);
  await life.power.cut;
  await begin(upgrade);
  const { installer } = machine;
  let failures = 0;
  const markBad = async (slot: string): Promise<void> => {
    failures += 1;
    if (failures === 1) throw new Error('EIO');
    await installer.markBad(slot);
  };
  const agent = await life.open({
    installer: changed(installer, { markBad }),
    health: { checks: [() => false], holdMs: 10_000, withinMs: 60_000 },
  });
  void agent.run();
  await life.power.cut;
  expect(await untilReported(upgrade)).toMatchObject({ phase: 'rolledBack' });
  expect(machine.running).toBe('1.0.0');
});

test('a trial of the slot that ran before, from an older release, marks nothing bad', async () => {
  const upgrade = task();
  const first = await start(upgrade, { hooks: { beforeRestart: () => false } });
  await reached(first, ({ phase }) => phase === 'installed');
  await first.close();
  const path = join(machine.folder, 'update.record');
  const record = await RecordFile.open(path);
  await record.put({ ...(record.entry('') as UpdateEntry), slotTo: 'A', phase: 'trial' });
  const agent = await start(upgrade);
  expect(await reached(agent, isReported)).toMatchObject({ phase: 'failed' });
  expect(life.power.steps).not.toContain('markBad');
  expect(machine.running).toBe('1.0.0');
});

/** The machine runs 2.0.0 as a trial, and its record is damaged. */
async function damagedInTrial(upgrade: Task): Promise<void> {
  await start(upgrade);
  await life.power.cut;
  writeFileSync(join(machine.folder, 'update.record'), 'damaged', { mode: 0o600 });
}

test.each([true, false])(
  'a trial whose record was damaged goes back when it is not healthy (version known: %s)',
  async (known) => {
    const upgrade = task();
    await damagedInTrial(upgrade);
    await begin({ ...upgrade, state: 'failed' }); // nothing is announced
    const options = known ? { version: () => machine.running ?? '' } : {};
    const agent = await life.open({
      ...options,
      health: { checks: [() => false], holdMs: 10_000, withinMs: 60_000 },
    });
    void agent.run();
    await life.power.cut;
    expect(life.platform.versions).toEqual([]);
    expect(life.power.steps).toContain('markBad');
    const again = await start({ ...upgrade, state: 'failed' }, options);
    expect(await reached(again, isReported)).toMatchObject({ phase: 'rolledBack' });
    expect(machine.running).toBe('1.0.0');
    if (known) await life.power.reached('report: version');
    else expect(life.power.steps).not.toContain('report: version');
  },
);

test('and is confirmed, then reported, when it is', async () => {
  const upgrade = task();
  await damagedInTrial(upgrade);
  const agent = await start(upgrade, { version: () => machine.running ?? '' });
  expect(await reached(agent, isReported)).toMatchObject({ phase: 'confirmed', version: '2.0.0' });
  const { steps } = life.power;
  expect(steps.indexOf('markGood')).toBeLessThan(steps.indexOf('report: version'));
  expect(steps).toContain('markGood');
  expect(upgrade.state).toBe('succeeded');
});

test('with nothing good to go back to it stays, and is reported when it was confirmed', async () => {
  const upgrade = task();
  await damagedInTrial(upgrade);
  const environment = machine.readEnvironment();
  environment.slots.A.ok = false;
  machine.writeEnvironment(environment);
  await begin(upgrade);
  let asked = 0;
  const check = (): boolean => {
    asked += 1;
    expect(life.power.steps).not.toContain('report: version');
    return asked > 200;
  };
  const agent = await life.open({
    version: () => machine.running ?? '',
    health: { checks: [check], holdMs: 10_000, withinMs: 60_000 },
  });
  void agent.run();
  await life.power.reached('report: version');
  expect(life.power.steps).toContain('markGood');
  expect(life.power.steps).not.toContain('markBad');
});

test('a confirmed version that was left before its report is not reported', async () => {
  const upgrade = task();
  await start(upgrade);
  await life.power.cut;
  await begin(upgrade);
  life.platform.disconnect();
  const health = { checks: [() => true], holdMs: 10_000, withinMs: 60_000 };
  let agent = await life.open({ health });
  const confirmed = reached(agent, ({ phase }) => phase === 'confirmed');
  void agent.run();
  await confirmed;
  await life.close();
  const environment = machine.readEnvironment();
  environment.slots.B.ok = false;
  machine.writeEnvironment(environment);
  agent = await start(upgrade, { health, version: () => machine.running ?? '' });
  await life.power.reached('report: version');
  expect(machine.running).toBe('1.0.0');
  await reached(agent, ({ phase }) => phase === 'downloaded'); // it is announced again
  expect(life.platform.versions[0]?.version).toBe('1.0.0');
  expect(upgrade.state).toBe('open');
});

test('what an error says at length does not damage the record', async () => {
  const upgrade = task();
  const hook = (): never => {
    throw new Error(`it began, ${'…'.repeat(1_000_000)} and it ended`);
  };
  let agent = await start(upgrade, { hooks: { beforeInstall: hook } });
  const { reason, output } = await reached(agent, isReported);
  for (const words of [reason, output]) {
    expect(words).toMatch(/^it began, .* and it ended$/);
    expect(Buffer.byteLength(words)).toBeLessThanOrEqual(4096);
  }
  await agent.close();
  agent = await start(upgrade);
  expect(agent.entry()).toMatchObject({ phase: 'failed', reason });
});

describe('an image that does not come, before anything is installed', () => {
  const refuse = (): never => {
    throw new Error('not now, not ever');
  };
  test.each([
    ['a download', { failures: ['ERR_HTTP_STATUS'] }, {}, -2, /^ERR_HTTP_STATUS/],
    ['a hook', {}, { beforeDownload: refuse }, -1, /^not now, not ever/],
  ] as const)('by %s: the record has its end, and why', async (_, notice, hook, step, reason) => {
    await begin({ ...task(), state: 'failed' });
    const heard: string[] = [];
    const afterFailure = ({ reason: why }: { readonly reason: string }): void => {
      heard.push(why);
    };
    const agent = await life.open({
      hooks: { ...hook, afterFailure },
      policy: { window: { from: at(0), to: at(1) } },
    });
    const ended = reached(agent, ({ phase }) => phase === 'failed');
    life.platform.announce({ version: '2.0.0', data: Buffer.from('image'), ...notice });
    void agent.run();
    const reported = expect.stringMatching(reason);
    expect(await ended).toMatchObject({ version: '2.0.0', step, reported: true });
    await agent.close();
    expect(agent.entry()).toMatchObject({ phase: 'failed', reason: reported });
    expect(heard).toEqual([reported]);
    // Once.
    const failures = life.platform.steps.filter((it) => it.step < 0);
    expect(failures).toMatchObject([{ step, desc: reported }]);
  });

  test('the next one begins as after any end', async () => {
    await begin({ ...task(), state: 'failed' });
    const agent = await life.open();
    const failed = reached(agent, ({ phase }) => phase === 'failed');
    const data = Buffer.from(imageOf('2.0.0'));
    life.platform.announce({ version: '2.0.0', data, failures: ['ERR_HTTP_STATUS'] });
    void agent.run();
    await failed;
    life.platform.announce({ version: '2.0.0', data });
    await life.power.cut;
    expect(agent.entry()).toMatchObject({ phase: 'activated', reason: '' });
  });
});
