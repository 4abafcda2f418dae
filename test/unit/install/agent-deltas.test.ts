// Upgrades that are differences: applied while they come, to what the installer says that it has.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { asExtData } from '../../../lib/delta/announced';
import type { UpdateAgent } from '../../../lib/install/agent';
import type { UpdateAgentOptions } from '../../../lib/install/agent-options';
import type { Installer } from '../../../lib/install/installer';
import type { UpdateEntry } from '../../../lib/install/record';
import { deltaOf, infoOf } from '../../support/delta';
import { sha256 } from '../../support/image';
import {
  begin,
  changed,
  isReported,
  life,
  machine,
  reached,
  useMachine,
} from '../../support/running-agent';
import { imageOf } from '../../support/simulated-machine';
import type { Task } from '../../support/updated-device';

useMachine();

const old = Buffer.from(imageOf('1.0.0'));
const image = Buffer.from(imageOf('2.0.0'));
const whole = { digest: { method: 'sha256', value: sha256(image) }, size: image.length };
let delta: Buffer;
beforeAll(async () => {
  delta = await deltaOf(old, image);
});

interface Given extends Partial<UpdateAgentOptions> {
  /** What the operator has attached. */
  readonly extData?: Record<string, string>;
  readonly data?: Buffer;
  /** Whether the installer names its running slot. */
  readonly hasBase?: boolean;
}

/** A start of the machine to which the platform announces a difference. */
async function start(
  task: Task,
  { extData, data = delta, hasBase = true, ...options }: Given = {},
) {
  await begin({ ...task, state: 'failed' });
  life.task.state = task.state;
  const { installer } = machine;
  const base: Installer['base'] = async () => ({ path: machine.slot(machine.booted) });
  const agent = await life.open({
    installer: hasBase ? changed(installer, { base }) : installer,
    ...options,
  });
  if (task.state === 'open') {
    life.platform.announce({ version: '2.0.0', data, isDiff: true, extData });
  }
  void agent.run();
  return agent;
}

const open = (): Task => ({ version: '2.0.0', state: 'open', reason: '' });

/** Until the end was reported, over restarts. */
async function untilReported(given: Given = {}): Promise<UpdateEntry> {
  const task = open();
  for (let starts = 0; starts < 10; starts += 1) {
    const agent = await start(task, given);
    const entry = await Promise.race([reached(agent, isReported), life.power.cut]);
    if (entry !== undefined) return entry;
    task.state = life.task.state;
  }
  throw new Error('no end');
}

/** Until the agent waits: what it does on the simulated machine takes no more turns than these. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 2000; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

async function ended(agent: UpdateAgent): Promise<readonly unknown[]> {
  await new Promise<void>((resolve) => agent.on('error', () => resolve()));
  return life.errors;
}

describe.each(['stream', 'file'] as const)('by an installer that takes a %s', (takes) => {
  beforeEach(() => {
    machine.takes = takes;
    machine.start();
  });

  test.each([undefined, 'announced'])(
    'applied, installed, confirmed; extData: %s',
    async (what) => {
      const extData = what && asExtData(infoOf(old, image));
      const entry = await untilReported({ ...(extData && { extData }) });
      expect(entry).toMatchObject({
        ...whole,
        phase: 'confirmed',
        delta: { digest: { method: 'sha256', value: sha256(delta) }, size: delta.length },
      });
      expect(readFileSync(machine.slot('B')).equals(image)).toBe(true);
      expect(machine.running).toBe('2.0.0');
      const record = JSON.parse(
        readFileSync(join(machine.folder, 'update.record'), 'utf8').replace(/^.*\n/, ''),
      );
      // What the next difference is made to.
      expect(record.confirmed['']).toMatchObject({ ...whole, slot: 'B' });
    },
  );

  test('progress only grows, to the share of the installation', async () => {
    const agent = await start(open());
    const steps = life.platform.steps;
    await Promise.race([reached(agent, isReported), life.power.cut]);
    const percents = steps.map(({ step }) => step);
    expect(percents).toEqual([...percents].sort((a, b) => a - b));
    // The end of the download is never left out.
    expect(percents).toContain(takes === 'stream' ? 99 : 70);
    expect(Math.max(...percents)).toBeLessThanOrEqual(99);
  });

  test('another base: nothing is written, and the platform hears that the full image is needed', async () => {
    writeFileSync(machine.slot('A'), imageOf('1.0.0').replace('....', '.,..'));
    const agent = await start(open());
    expect(await ended(agent)).toMatchObject([{ code: 'ERR_DELTA_BASE' }]);
    const { step, desc } = life.platform.steps.at(-1) ?? {};
    expect({ step, desc }).toEqual({
      step: -1,
      desc: expect.stringMatching(/^ERR_DELTA_BASE: .*SHA-256.*the full image is needed/),
    });
    expect(life.power.steps.filter((it) => /install|activate/.test(it))).toEqual([]);
    expect(readFileSync(machine.slot('B'), 'utf8')).toBe('');
  });

  test('then the platform is asked, and a full image that it has is installed', async () => {
    writeFileSync(machine.slot('A'), imageOf('1.0.0').replace('....', '.,..'));
    const agent = await start(open());
    agent.on('error', () => life.platform.announce({ version: '2.0.0', data: Buffer.from(image) }));
    await life.power.cut;
    expect(agent.entry()).toMatchObject({ phase: 'activated', delta: null });
    expect(readFileSync(machine.slot('B')).equals(image)).toBe(true);
  });

  test('then the platform is asked, and a difference to what runs is installed', async () => {
    const running = Buffer.from(imageOf('1.0.0').replace('....', '.,..'));
    const data = await deltaOf(running, image);
    writeFileSync(machine.slot('A'), running);
    const agent = await start(open());
    agent.on('error', () => life.platform.announce({ version: '2.0.0', data, isDiff: true }));
    await life.power.cut;
    expect(life.errors).toMatchObject([{ code: 'ERR_DELTA_BASE' }]);
    expect(agent.entry()).toMatchObject({
      phase: 'activated',
      delta: { digest: { method: 'sha256', value: sha256(data) }, size: data.length },
    });
  });

  test('one that is damaged is never activated', async () => {
    const data = Buffer.concat([delta.subarray(0, -4), Buffer.alloc(4)]);
    const agent = await start(open(), { data });
    await ended(agent);
    expect(life.errors).toMatchObject([{ code: expect.stringMatching(/^ERR_DELTA_/) }]);
    expect(life.platform.steps.at(-1)?.step).toBe(-3);
    expect((await machine.installer.status()).next).toBe('A');
    expect(machine.running).toBe('1.0.0');
  });
});

test('an installer without a base: refused before anything is fetched', async () => {
  const agent = await start(open(), { hasBase: false });
  expect(await ended(agent)).toMatchObject([{ code: 'ERR_DELTA_BASE' }]);
  expect(life.platform.steps).toEqual([
    {
      step: -1,
      desc: expect.stringMatching(/installer simulated has none .*; the full image is needed/),
      module: undefined,
    },
  ]);
  expect(agent.entry()).toBeUndefined();
});

test.each([true, false])('the same once more is not tried for ever; base: %s', async (hasBase) => {
  writeFileSync(machine.slot('A'), imageOf('1.0.0').replace('....', '.,..'));
  const agent = await start(open(), { hasBase });
  const announce = (): void =>
    life.platform.announce({ version: '2.0.0', data: delta, isDiff: true });
  let times = 0;
  agent.on('error', () => {
    times += 1;
    if (times < 4) announce();
  });
  const tried = new Promise<void>((resolve) => {
    life.clock.onSleep = () => life.clock.time > Date.UTC(2026, 0, 2) && resolve();
  });
  await Promise.race([tried, settled()]);
  for (const error of life.errors) expect(error).toMatchObject({ code: 'ERR_DELTA_BASE' });
  life.platform.announce({ version: '2.0.0', data: image });
  await life.power.cut;
  expect(agent.entry()).toMatchObject({ phase: 'activated', delta: null });
});

test('a base of the module comes before that of its installer', async () => {
  const kept = join(machine.folder, 'kept.image');
  writeFileSync(kept, old);
  const base = async (): Promise<string> => kept;
  expect(await untilReported({ hasBase: false, base })).toMatchObject({ phase: 'confirmed' });
  expect(machine.running).toBe('2.0.0');
});

test('a base that is gone between the notice and the download', async () => {
  let asked = 0;
  const base = (): string | undefined => {
    asked += 1;
    return asked === 1 ? machine.slot('A') : undefined;
  };
  const agent = await start(open(), { base });
  expect(await ended(agent)).toMatchObject([{ code: 'ERR_DELTA_BASE' }]);
  expect(life.platform.steps.at(-1)?.step).toBe(-1);
  expect(readFileSync(machine.slot('B'), 'utf8')).toBe('');
});

test('a window: the image is made at once, and installed without the platform', async () => {
  machine.takes = 'stream';
  machine.start();
  const time = new Date(Date.UTC(2026, 0, 1) + 3 * 3_600_000);
  const from = `${String(time.getHours()).padStart(2, '0')}:00`;
  const to = `${String((time.getHours() + 1) % 24).padStart(2, '0')}:00`;
  const agent = await start(open(), { policy: { window: { from, to } } });
  const entry = await reached(agent, ({ phase }) => phase === 'downloaded');
  expect(entry).toMatchObject(whole);
  expect(readFileSync(join(machine.folder, 'default.image')).equals(image)).toBe(true);
  await life.power.cut;
  expect(readFileSync(machine.slot('B')).equals(image)).toBe(true);
});
