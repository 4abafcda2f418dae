/**
 * A real machine but for its hardware, which qemu plays: GRUB with examples/boot/grub.cfg, Linux, Node.js and this
 * package in slots, kept up to date by `iotkit-ota agent`; the platform is outside. `npm run torture:boot` cuts its
 * power.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { localIdentity, Platform } from 'iotkit-ota-platform';
import { Bench, type BenchOptions, HOST } from '../support/boot/bench';
import { BootImages, type Layout, type System } from '../support/boot/image';

let directory: string;
let platform: Platform;

beforeAll(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-boot-'));
  const tls = await localIdentity(directory, [HOST, '127.0.0.1', 'localhost']);
  platform = await Platform.start({ tls, publicHost: HOST });
});

afterAll(async () => {
  await platform?.close();
  await rm(directory, { recursive: true, force: true });
});

async function open(name: string, layout: Layout, health: BenchOptions['health'] = {}) {
  // Of what was not flushed nothing is left: the worst that a cut can do.
  return Bench.open(platform, await BootImages.make(layout), name, { random: () => 1, health });
}

test('an update goes from the announcement to the confirmed version, over a restart by GRUB', async () => {
  await using bench = await open('well', 'whole');
  const { machine } = bench;
  machine.powerOn();
  await machine.until(/^running slot A version 1\.0\.0/);
  await bench.environment(({ A_TRY }) => A_TRY === '0');
  expect(bench.environments.map(({ A_TRY }) => A_TRY)).toEqual(['1', '0']);

  const system = { version: '2.0.0', health: 'well' } as const;
  const task = await bench.outcome(await bench.announce(system));
  expect(task).toMatchObject({ state: 'succeeded', sourceVersion: '1.0.0' });

  machine.cut();
  bench.expectEnd(system, task);
  expect(bench.next().variables).toMatchObject({ ORDER: 'B A', A_TRY: '0', B_TRY: '0' });
  machine.powerOn();
  await machine.until(/^running slot B version 2\.0\.0/);
  await bench.environment(({ B_TRY }) => B_TRY === '0');
  expect(bench.starts()).toEqual(['A', 'B', 'B']);
});

/** Announces a version that must not stay; resolves with the slots that are started until the platform hears so. */
async function leaves(system: System, desc: string, health?: BenchOptions['health']) {
  await using bench = await open(system.health, 'small', health);
  const id = await bench.announce(system);
  bench.machine.powerOn();
  const task = await bench.outcome(id);
  expect(task).toMatchObject({ state: 'failed', step: -1, desc });
  bench.machine.cut();
  bench.expectEnd(system, task);
  return bench.starts();
}

test('a version that is not healthy is rolled back, and the platform hears why', async () => {
  const why = '/usr/libexec/healthy ended with 1: the pump does not turn';
  await leaves({ version: '2.0.0', health: 'sick' }, why, { withinMs: 5000 });
});

test('GRUB leaves a version that does not come up after three tries', async () => {
  const why = 'B did not come up, and A was started again';
  const started = await leaves({ version: '2.0.0', health: 'dead' }, why);
  expect(started).toEqual(['A', 'B', 'B', 'B', 'A']);
});
