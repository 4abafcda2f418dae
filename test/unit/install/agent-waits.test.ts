import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { UpdateAgent } from '../../../lib/install/agent';
import type { UpdateAgentOptions } from '../../../lib/install/agent-options';
import type { ConsentRequest } from '../../../lib/install/consent';
import { type FileLock, tryLock } from '../../../lib/install/lock';
import {
  at,
  begin,
  changed,
  isReported,
  life,
  machine,
  reached,
  start,
  task,
  untilReported,
  useMachine,
} from '../../support/running-agent';
import { imageOf } from '../../support/simulated-machine';
import type { Task } from '../../support/updated-device';

// What holds an update off.

useMachine();

test('a window is awaited with the image on the disk', async () => {
  const upgrade = task();
  const opens = Date.UTC(2026, 0, 1) + 3 * 3_600_000;
  await start(upgrade, { policy: { window: { from: at(3), to: at(4) } } });
  await life.power.cut;
  expect(life.clock.time).toBeGreaterThanOrEqual(opens);
  expect(life.clock.time).toBeLessThan(opens + 3_600_000);
});

test('an application holds an update off by a lock; for too long, and it fails', async () => {
  const path = join(machine.folder, 'update.lock');
  const lock = await tryLock(path);
  const upgrade = task();
  const agent = await start(upgrade, { policy: { lock: { path, maxMs: 20_000 } } });
  expect(await reached(agent, isReported)).toMatchObject({ phase: 'failed' });
  expect(upgrade.reason).toContain('held the update off for 20000 ms');
  await lock?.release();
  expect(await untilReported(task('2.1.0'), { policy: { lock: { path } } })).toMatchObject({
    phase: 'confirmed',
  });
});

describe('a hook is named in the reason', () => {
  function expectRefused(upgrade: Task, detail: string): void {
    expect(life.errors).toMatchObject([{ code: 'ERR_HOOK', detail }]);
    expect(upgrade.reason).toBe(`ERR_HOOK: a hook refused the update or failed: ${detail}`);
  }

  test.each([
    [
      'refuses',
      ['sh', '-c', 'echo battery low; exit 1'],
      'beforeInstall: sh ended with 1: battery low',
    ],
    [
      'is ended',
      ['sh', '-c', 'echo battery low; kill -9 $$'],
      'beforeInstall: sh was ended by SIGKILL: battery low',
    ],
    [
      'is not there',
      ['no-such-program'],
      'beforeInstall: no-such-program: ENOENT; is it installed, and in PATH?',
    ],
  ])('that %s', async (_, argv, detail) => {
    const upgrade = task();
    const agent = await start(upgrade, { hooks: { beforeInstall: { argv } } });
    await reached(agent, isReported);
    expectRefused(upgrade, detail);
  });

  test('that takes too long', async () => {
    jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] });
    try {
      const said = join(machine.folder, 'said');
      const argv = ['sh', '-c', `echo battery low; : >${said}; exec sleep 60`];
      const upgrade = task();
      const agent = await start(upgrade, { hooks: { beforeInstall: { argv, timeoutMs: 400 } } });
      const ended = reached(agent, isReported);
      // However long it takes to say it.
      while (!existsSync(said)) await new Promise((next) => setImmediate(next));
      jest.advanceTimersByTime(400);
      await ended;
      expectRefused(upgrade, 'beforeInstall: sh ran over 400 ms: battery low');
    } finally {
      jest.useRealTimers();
    }
  });
});

test('a hook that ends with 75 says "not now", and is asked again later', async () => {
  const asked = join(machine.folder, 'asked');
  const script = `[ -e ${asked} ] && exit 0; : > ${asked}; exit 75`;
  const agent = await start(task(), {
    hooks: { beforeInstall: { argv: ['sh', '-c', script] }, retryMs: 900_000 },
  });
  const begun = life.clock.time;
  await reached(agent, ({ phase }) => phase === 'installing');
  expect(life.clock.time - begun).toBeGreaterThanOrEqual(900_000);
  expect(life.errors).toEqual([]);
});

test.each([-86_400_000, 86_400_000])(
  'a clock that is set by %d ms is no time held off',
  async (by) => {
    let asked = 0;
    const mayInstall = (): boolean => {
      life.clock.set = by;
      asked += 1;
      return asked > 2;
    };
    const lock = { mayInstall, maxMs: 20_000 };
    expect(await untilReported(task(), { policy: { lock } })).toMatchObject({ phase: 'confirmed' });
    expect(asked).toBeGreaterThan(2);
  },
);

test('a function holds an update off; afterMax goes on all the same', async () => {
  const lock = { mayInstall: () => false, maxMs: 10_000, afterMax: 'install' } as const;
  expect(await untilReported(task(), { policy: { lock } })).toMatchObject({ phase: 'confirmed' });
});

test.each([
  ['install', 'activated'],
  ['fail', 'failed'],
] as const)('time held off counts over all windows; then: %s', async (afterMax, phase) => {
  const begun = Date.UTC(2026, 0, 1);
  const lock = { mayInstall: () => false, maxMs: 3 * 3_600_000, afterMax };
  const window = { from: at(0), to: at(2) };
  const agent = await start(task(), { policy: { window, lock } });
  const ended = reached(agent, ({ phase }) => phase === 'activated' || phase === 'failed');
  expect(await ended).toMatchObject({ phase });
  expect(life.clock.time).toBeGreaterThanOrEqual(begun + 25 * 3_600_000);
  expect(life.clock.time).toBeLessThan(begun + 26 * 3_600_000);
});

test.each([
  ['the lock', { policy: { lock: { mayInstall: () => false, maxMs: 20_000 } } }, 'held the update'],
  ['a hook', { hooks: { beforeInstall: { argv: ['sleep', '60'], timeoutMs: 20 } } }, 'ran over 20'],
])(
  'held off for too long after an installation was cut off, it fails: %s',
  async (_, given, why) => {
    const upgrade = task();
    await start(upgrade);
    await life.power.reached('install: empty B');
    life.power.off();
    const agent = await start(upgrade, given);
    expect(await reached(agent, isReported)).toMatchObject({ phase: 'failed', attempts: 1 });
    expect(upgrade.reason).toContain(why);
  },
);

test('a lock that is held for too long takes back what waits for its restart', async () => {
  const upgrade = task();
  await begin(upgrade);
  let isHeld = false;
  const { installer } = machine;
  const reboot = async (): Promise<void> => {
    isHeld = true;
    throw new Error('no bus');
  };
  const status = async () => {
    if (isHeld) throw new Error('no bus');
    return installer.status();
  };
  const first = await life.open({ installer: changed(installer, { reboot, status }) });
  void first.run();
  await reached(first, ({ phase }) => phase === 'trial' || phase === 'activated');
  await first.close();
  const agent = await life.open({ policy: { lock: { mayInstall: () => false, maxMs: 20_000 } } });
  void agent.run();
  expect(await reached(agent, isReported)).toMatchObject({ phase: 'rolledBack' });
  expect(upgrade.reason).toContain('held the update off');
  expect((await installer.status()).next).toBe('A');
});

/** The agent is started again, and not the machine, when the image has been installed. */
async function restartInstalled(options: Partial<UpdateAgentOptions>): Promise<UpdateAgent> {
  const first = await start(task(), { ...options, hooks: { beforeRestart: () => false } });
  await reached(first, ({ phase }) => phase === 'installed');
  await first.close();
  expect(life.power.steps).not.toContain('activate');
  return life.open(options);
}

test('an agent that is closed after it has asked for the restart gives the update lock back', async () => {
  const path = join(machine.folder, 'update.lock');
  await begin(task());
  let agent: UpdateAgent | undefined;
  await new Promise<void>((resolve) => {
    const installer = changed(machine.installer, { reboot: async () => resolve() });
    void life.open({ installer, policy: { lock: { path } } }).then((opened) => {
      agent = opened;
      void opened.run();
    });
  });
  expect(await tryLock(path)).toBeUndefined();
  await agent?.close();
  const lock = await tryLock(path);
  expect(lock).toBeDefined();
  await lock?.release();
});

test('an agent that was started again asks for the update lock before the restart', async () => {
  const path = join(machine.folder, 'update.lock');
  const options = { policy: { lock: { path } } };
  const agent = await restartInstalled(options);
  const held = await tryLock(path);
  let asked = 0;
  life.clock.onSleep = async () => {
    asked += 1;
    expect(life.power.steps).not.toContain('activate');
    if (asked === 3) await held?.release();
  };
  void agent.run();
  await life.power.cut;
  expect(asked).toBeGreaterThanOrEqual(3);
});

test.each(['the lock', 'its restart'])(
  'a pin holds for an update that waits for %s',
  async (what) => {
    let isPinned = false;
    const upgrade = task();
    const waits = { 'the lock': 'downloaded', 'its restart': 'installed' }[what];
    const isFree = (): boolean => isPinned;
    const agent = await start(upgrade, {
      ...(what === 'the lock'
        ? { policy: { lock: { mayInstall: isFree } } }
        : { hooks: { beforeRestart: isFree } }),
    });
    const ended = reached(agent, isReported);
    await reached(agent, ({ phase }) => phase === waits);
    await agent.pin('1.0.0');
    isPinned = true;
    expect(await ended).toMatchObject({
      phase: 'failed',
      reason: expect.stringContaining('pinned to 1.0.0'),
    });
    expect(upgrade).toMatchObject({
      state: 'failed',
      reason: expect.stringContaining('ERR_VERSION_REFUSED'),
    });
    expect(life.power.steps).not.toContain('activate');
    const isWritten = life.power.steps.includes('install: write B');
    expect(isWritten).toBe(what === 'its restart');
  },
);

test('and waits for the window', async () => {
  const begun = Date.UTC(2026, 0, 1);
  const agent = await restartInstalled({ policy: { window: { from: at(0), to: at(1) } } });
  life.clock.time = begun + 2 * 3_600_000;
  void agent.run();
  await life.power.cut;
  expect(life.clock.time).toBeGreaterThanOrEqual(begun + 24 * 3_600_000);
});

test('a window that closes while a hook says "not now": it is the next one', async () => {
  const begun = Date.UTC(2026, 0, 1);
  const hooks = { beforeInstall: () => life.clock.time > begun + 2 * 3_600_000 };
  await start(task(), { hooks, policy: { window: { from: at(0), to: at(1) } } });
  await life.power.cut;
  expect(life.clock.time).toBeGreaterThanOrEqual(begun + 24 * 3_600_000);
  expect(life.clock.time).toBeLessThan(begun + 25 * 3_600_000);
});

test('an application may go on while a restart that failed waits for its next try', async () => {
  const path = join(machine.folder, 'update.lock');
  await begin(task());
  let failures = 0;
  const { installer } = machine;
  const reboot = async (): Promise<void> => {
    failures += 1;
    if (failures === 1) throw new Error('no bus');
    await installer.reboot();
  };
  const agent = await life.open({
    policy: { lock: { path } },
    installer: changed(installer, { reboot }),
  });
  let held: unknown;
  life.clock.onSleep = async () => {
    if (held !== undefined || failures === 0) return;
    held = await tryLock(path);
    expect(held).toBeDefined();
    await (held as FileLock).release();
  };
  void agent.run();
  await life.power.cut;
  expect(held).toBeDefined();
});

test.each([
  ['a hook', { hooks: { beforeInstall: () => new Promise(() => {}) } }],
  ['mayInstall', { policy: { lock: { mayInstall: () => new Promise<boolean>(() => {}) } } }],
])('close() waits for no function that never ends: %s', async (_, options) => {
  const agent = await start(task(), options);
  await reached(agent, ({ phase }) => phase === 'downloaded');
  await agent.close();
});

describe('an upgrade that is announced while another waits takes its place, and nobody hears of that one', () => {
  function announceNewer(): void {
    life.platform.announce({ version: '3.0.0', data: Buffer.from(imageOf('3.0.0')) });
  }

  function expectNewer(agent: UpdateAgent): void {
    expect(agent.entry()).toMatchObject({ version: '3.0.0', phase: 'activated' });
    expect(life.platform.steps.filter(({ step }) => step < 0)).toEqual([]);
    expect(life.errors).toEqual([]);
  }

  function asked(agent: UpdateAgent, version: string): Promise<ConsentRequest> {
    return new Promise((resolve) => {
      agent.on('consent', (request) => request.version === version && resolve(request));
    });
  }

  test.each(['download', 'install'] as const)('for consent to the %s', async (consent) => {
    const agent = await start(task(), { policy: { consent } });
    const older = await asked(agent, '2.0.0');
    announceNewer();
    const newer = await asked(agent, '3.0.0');
    older.accept();
    newer.accept();
    await life.power.cut;
    expectNewer(agent);
  });

  test('for consent, of what is installed while it comes', async () => {
    machine.takes = 'stream';
    const agent = await start(task(), { policy: { consent: 'install' } });
    await asked(agent, '2.0.0');
    announceNewer();
    (await asked(agent, '3.0.0')).accept();
    await life.power.cut;
    expectNewer(agent);
  });

  test('for consent, since before a restart', async () => {
    const options = { policy: { consent: 'install' } } as const;
    const first = await start(task(), options);
    await asked(first, '2.0.0');
    await first.close();
    const agent = await life.open(options);
    void agent.run();
    await asked(agent, '2.0.0');
    expect(existsSync(join(machine.folder, 'default.image'))).toBe(true);
    announceNewer();
    (await asked(agent, '3.0.0')).accept();
    await life.power.cut;
    expectNewer(agent);
  });

  test('for the lock', async () => {
    const path = join(machine.folder, 'update.lock');
    const held = await tryLock(path);
    const agent = await start(task(), { policy: { lock: { path } } });
    life.clock.onSleep = () => {
      life.clock.onSleep = () => {};
      announceNewer();
    };
    await reached(agent, ({ version }) => version === '3.0.0');
    await held?.release();
    await life.power.cut;
    expectNewer(agent);
  });

  test('for the window; with the image that has been downloaded nothing is done', async () => {
    const agent = await start(task(), { policy: { window: { from: at(3), to: at(4) } } });
    await reached(agent, ({ phase }) => phase === 'downloaded');
    announceNewer();
    await life.power.cut;
    expectNewer(agent);
  });
});

test('the same upgrade that is announced again while it waits is waited for on', async () => {
  const agent = await start(task(), { policy: { consent: 'install' } });
  const request = await new Promise<ConsentRequest>((resolve) => agent.on('consent', resolve));
  life.platform.disconnect();
  life.platform.connect();
  await new Promise((resolve) => setImmediate(resolve));
  request.accept();
  await life.power.cut;
  expect(agent.entry()).toMatchObject({ version: '2.0.0', phase: 'activated' });
});
