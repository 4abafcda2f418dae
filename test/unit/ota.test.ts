// What the platform at hand cannot be made to do: notices that come twice, answers with errors.
import type { NativeDevice, NativeJob, NativeUpgradeInfo } from '../../lib/binding';
import { IotkitError } from '../../lib/errors';
import { Ota } from '../../lib/ota';
import type { Run } from '../../lib/run';
import type { Upgrade } from '../../lib/upgrade';

const info: NativeUpgradeInfo = {
  id: '1',
  module: '',
  version: '2.0.0',
  url: 'https://fw.example.com/a?Signature=secret',
  size: 10,
  digestMethod: 'sha256',
  digest: 'ab'.repeat(32),
  digestSign: '',
  isDiff: false,
  extData: '',
  files: [],
};

const open: Ota[] = [];

afterEach(async () => {
  const closed = new IotkitError('ERR_CLOSED');
  for (const ota of open.splice(0)) await ota.shutdown(closed);
});

/** A connection that notes what is sent, and an OTA channel on it. */
function channel(rules: Partial<ConstructorParameters<typeof Ota>[2]> = {}) {
  const steps: Array<readonly [step: number, desc: string, module: string]> = [];
  const questions: Array<{ readonly id: string; readonly module: string }> = [];
  let isConnected = true;
  let packets = 0;
  const native = {
    reportVersion: () => {
      packets += 1;
      return packets;
    },
    reportProgress: (...step: [number, string, string]) => {
      steps.push(step);
      return 0;
    },
    request: (module: string) => {
      if (!isConnected) return new IotkitError('ERR_NOT_CONNECTED').errno;
      const id = String(100 + questions.length);
      questions.push({ id, module });
      return id;
    },
    setBandwidthLimit: () => {},
    close: () => {},
    ref: () => {},
    unref: () => {},
  } satisfies NativeDevice;
  const device = { holdWhile: <T>(operation: Promise<T>) => operation };
  const ota = new Ota(device, native, { newerOnly: false, allowVersion: undefined, ...rules });
  open.push(ota);
  let connects = 0;
  const connect = (): void => {
    isConnected = true;
    connects += 1;
    ota.onConnected(connects);
  };
  connect();
  const announce = (change: Partial<NativeUpgradeInfo> = {}): void => {
    ota.onUpgrade({ info: { ...info, ...change } } as NativeJob);
  };
  const drop = (): void => {
    isConnected = false;
  };
  return { ota, steps, questions, announce, connect, drop };
}

/** What a consumer sees that has come so far. */
async function offered(ota: Ota): Promise<Upgrade[]> {
  const stop = new AbortController();
  const upgrades: Upgrade[] = [];
  queueMicrotask(() => setImmediate(() => stop.abort()));
  try {
    for await (const upgrade of ota.upgrades({ signal: stop.signal })) upgrades.push(upgrade);
  } catch {
    // Nothing more has come.
  }
  return upgrades;
}

async function take(ota: Ota): Promise<Upgrade> {
  const { value } = await ota.upgrades().next();
  return value as Upgrade;
}

describe('a deferred upgrade', () => {
  test('is not offered on the same connection, but on the next', async () => {
    const { ota, announce, connect, steps } = channel();
    announce();
    await (await take(ota)).defer();
    announce({ id: '2' });
    expect(await offered(ota)).toEqual([]);
    connect();
    announce({ id: '3' });
    expect(await offered(ota)).toMatchObject([{ id: '3' }]);
    expect(steps).toEqual([]);
  });

  test('that has come twice is taken back', async () => {
    const { ota, announce } = channel();
    announce();
    const upgrade = await take(ota);
    announce({ id: '2' });
    await upgrade.defer();
    expect(await offered(ota)).toEqual([]);
  });

  test('is no reason to hold back another one', async () => {
    const { ota, announce } = channel();
    announce();
    await (await take(ota)).defer();
    announce({ id: '2', version: '2.0.1' });
    announce({ id: '3', module: 'MCU' });
    expect(await offered(ota)).toMatchObject([{ version: '2.0.1' }, { module: 'MCU' }]);
  });

  test('is had by check()', async () => {
    const { ota, announce, questions } = channel();
    announce();
    await (await take(ota)).defer();
    const answer = ota.check();
    announce({ id: questions[0]?.id ?? '' });
    expect(await answer).toMatchObject({ version: '2.0.0' });
  });
});

describe('a rejected upgrade', () => {
  test('is not offered again by the same notice, not even after a reconnect', async () => {
    const { ota, announce, connect, steps } = channel();
    announce();
    await (await take(ota)).reject('not now');
    expect(steps).toEqual([[-1, 'not now', '']]);
    announce();
    connect();
    announce();
    expect(await offered(ota)).toEqual([]);
  });

  test('is offered by another notice, and so is another image of the same id', async () => {
    const { ota, announce } = channel();
    announce();
    await (await take(ota)).reject();
    announce({ version: '2.0.1' });
    expect(await offered(ota)).toMatchObject([{ id: '1', version: '2.0.1' }]);
    announce({ id: '2' });
    expect(await offered(ota)).toMatchObject([{ id: '2', version: '2.0.0' }]);
  });

  test('is remembered a while and not for ever', async () => {
    const { ota, announce } = channel();
    for (let i = 0; i < 300; i += 1) {
      announce({ id: String(i) });
      await (await take(ota)).reject();
    }
    for (const id of ['10', '299']) announce({ id });
    expect(await offered(ota)).toMatchObject([{ id: '10' }]);
  });
});

test('a notice that comes again while its upgrade is consumed is not news', async () => {
  const { ota, announce, steps } = channel({ newerOnly: true });
  announce();
  const upgrade = await take(ota);
  const run = { upgrade, cancel: () => {}, outcome: Promise.resolve() } as unknown as Run;
  ota.onRunStart(run);
  announce({ id: '2' });
  // What runs is not refused by a version that was reported meanwhile.
  ota.reportVersion('2.0.0').catch(() => {});
  announce({ id: '3' });
  expect(await offered(ota)).toEqual([]);
  expect(steps).toEqual([]);
  ota.onRunEnd(run);
  announce({ id: '4', version: '2.0.1' });
  expect(await offered(ota)).toMatchObject([{ id: '4' }]);
});

describe('a refused version', () => {
  test('is reported for its module and never offered; check() rejects', async () => {
    const { ota, announce, steps, questions } = channel({ newerOnly: true });
    // Nobody acknowledges them.
    ota.reportVersion('2.0.0').catch(() => {});
    ota.reportVersion('1.0.0', { module: 'MCU' }).catch(() => {});
    announce();
    announce({ id: '2', module: 'MCU' });
    expect(await offered(ota)).toMatchObject([{ module: 'MCU' }]);
    expect(steps).toEqual([[-1, expect.stringMatching(/^ERR_VERSION_REFUSED: /), '']]);
    const answer = ota.check();
    announce({ id: questions[0]?.id ?? '' });
    await expect(answer).rejects.toMatchObject({ code: 'ERR_VERSION_REFUSED' });
  });
});

describe('a version that is reported while an upgrade waits', () => {
  const report = (ota: Ota, version: string, module?: string): void => {
    const options = module === undefined ? {} : { module };
    ota.reportVersion(version, options).catch(() => {});
  };

  test('refuses an older one, and what is as new without a word to the platform', async () => {
    const { ota, announce, steps } = channel({ newerOnly: true });
    announce({ version: '1.9.0' });
    announce({ id: '2', version: '2.0.0', module: 'MCU' });
    announce({ id: '3', version: '2.0.1', module: 'BMS' });
    for (const module of [undefined, 'MCU', 'BMS']) report(ota, '2.0.0', module);
    expect(await offered(ota)).toMatchObject([{ module: 'BMS' }]);
    expect(steps).toEqual([[-1, expect.stringMatching(/1\.9\.0 is not newer than 2\.0\.0/), '']]);
  });

  test('changes nothing where older ones are allowed', async () => {
    const { ota, announce, steps } = channel();
    announce({ version: '1.9.0' });
    report(ota, '2.0.0');
    expect(await offered(ota)).toMatchObject([{ version: '1.9.0' }]);
    expect(steps).toEqual([]);
  });
});

describe('check()', () => {
  const refusal = new IotkitError('ERR_NOTICE_CODE', '460');

  test('an error is for the question that it answers', async () => {
    const { ota, questions } = channel();
    const [main, mcu] = [ota.check(), ota.check({ module: 'MCU' })];
    expect(questions.map(({ module }) => module)).toEqual(['', 'MCU']);
    ota.onRefused(refusal, questions[1]?.id ?? '');
    await expect(mcu).rejects.toBe(refusal);
    ota.onNothing(questions[0]?.id ?? '');
    expect(await main).toBeUndefined();
  });

  test('a push that was refused answers no question', async () => {
    const { ota, questions } = channel();
    const answer = ota.check();
    ota.onRefused(refusal, '');
    ota.onRefused(refusal, '7');
    ota.onNothing(questions[0]?.id ?? '');
    expect(await answer).toBeUndefined();
  });

  test('is asked again after a drop, and once there is a connection at all', async () => {
    const { ota, questions, connect, drop } = channel();
    const first = ota.check();
    drop();
    const second = ota.check({ module: 'MCU' });
    expect(questions).toHaveLength(1);
    connect();
    expect(questions.map(({ module }) => module).sort()).toEqual(['', '', 'MCU']);
    // The answer to the question of the lost connection is one to nobody.
    ota.onRefused(refusal, '100');
    for (const { id } of questions.slice(1)) ota.onNothing(id);
    expect(await Promise.all([first, second])).toEqual([undefined, undefined]);
  });
});
