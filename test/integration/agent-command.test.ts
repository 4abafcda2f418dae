// `iotkit-ota agent` as a service runs it: the built package in a process of its own, against the stand-in. The
// slots of its machine are files, and its boot loader is played, because no machine restarts here.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, watch } from 'node:fs';
import {
  chmod,
  mkdir,
  open,
  readFile,
  readlink,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import type { UpgradeTask } from 'iotkit-ota-platform';
import { RecordFile } from '../../lib/install/record';
import { grubChooser, grubVariables } from '../support/boot-choosers';
import { type Ended, type Running, run, start } from '../support/process';
import { type BootChooser, imageBytes, SlotFolder } from '../support/slot-machine';
import { type Registered, World } from '../support/world';

const program = path.resolve(__dirname, '..', '..', 'dist', 'cli', 'index.js');

/** A machine with the agent: its slots, its boot loader, its configuration. */
class Machine implements AsyncDisposable {
  #agent: Running | undefined;

  private constructor(
    readonly folder: SlotFolder,
    readonly boot: BootChooser,
    readonly world: World,
    readonly key: Registered,
  ) {}

  static async open(world: World): Promise<Machine> {
    const folder = await SlotFolder.open();
    const machine = new Machine(folder, await grubChooser(folder), world, await world.register());
    // What the agent restarts the machine by, and what a service manager hears.
    await machine.#script('restart', `touch '${folder.file('restarted')}'`);
    await mkdir(folder.file('bin'));
    await machine.#script('bin/systemd-notify', `echo "$1" >> '${folder.file('notified')}'`);
    await writeFile(folder.file('secret'), machine.key.deviceSecret);
    await writeFile(folder.file('ca.pem'), world.platform.ca);
    return machine;
  }

  async #script(name: string, line: string): Promise<void> {
    await writeFile(this.folder.file(name), `#!/bin/sh\n${line}\n`);
    await chmod(this.folder.file(name), 0o755);
  }

  /** The version of the booted slot is in a file, as in a booted system. */
  async configure(more: object = {}): Promise<string> {
    const { folder, boot, world, key } = this;
    await writeFile(folder.file('VERSION'), (await folder.versionIn(folder.booted)) ?? 'none');
    const config = {
      device: {
        productKey: key.productKey,
        deviceName: key.deviceName,
        deviceSecretFile: 'secret',
        url: world.platform.mqttsUrl,
        tls: { caFile: 'ca.pem' },
      },
      installer: {
        kind: 'slots',
        slots: { A: folder.device('A'), B: folder.device('B') },
        environment: boot.environment,
        booted: folder.booted,
        reboot: [folder.file('restart')],
      },
      versionFile: 'VERSION',
      record: folder.file('record'),
      health: { checks: ['connected'], holdMs: 0, everyMs: 10 },
      ...more,
    };
    await writeFile(folder.file('agent.json'), JSON.stringify(config));
    return folder.file('agent.json');
  }

  /** Runs the agent until it says `ready`. */
  async agent(ready: RegExp, more?: object): Promise<Running> {
    const config = await this.configure(more);
    const bin = this.folder.file('bin');
    const env = { ...process.env, PATH: `${bin}:${process.env.PATH}`, NOTIFY_SOCKET: '/none' };
    this.#agent = await start(process.execPath, [program, 'agent', '--config', config], {
      ready,
      env,
    });
    return this.#agent;
  }

  /** Resolves when the agent has asked for a restart. */
  restartAskedFor(): Promise<void> {
    return new Promise((resolve) => {
      const look = (): void => {
        if (!existsSync(this.folder.file('restarted'))) return;
        watcher.close();
        resolve();
      };
      const watcher = watch(this.folder.directory, look);
      look();
    });
  }

  /** Power off and on: the agent is killed wherever it is, and the boot loader chooses. */
  async restart(): Promise<void> {
    await this.#agent?.stop('SIGKILL');
    await rm(this.folder.file('restarted'), { force: true });
    this.folder.booted = await this.boot.start();
  }

  async command(...args: string[]): Promise<Ended> {
    return run(process.execPath, [program, ...args, '--config', await this.configure()]);
  }

  /** How far the update has come, by its record. */
  async phase(): Promise<string> {
    const { content } = await RecordFile.open(this.folder.file('record'));
    return content.entries['']?.phase ?? '';
  }

  async grub(): Promise<Record<string, string | undefined>> {
    return grubVariables(await readFile(this.folder.file('grubenv'), 'latin1'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent?.stop('SIGKILL');
    await this.folder.remove();
  }
}

async function announce({ world, key }: Machine, version: string): Promise<string> {
  const { id: firmwareId } = await world.store(imageBytes(version), { version });
  const devices = [key.deviceName];
  return (await world.platform.upgrades.start({ firmwareId, devices })).id;
}

const outcome = ({ world }: Machine, id: string): Promise<UpgradeTask> => world.outcome(id);

test('an update without a program: installed, restarted into, confirmed, reported', async () => {
  await using world = await World.open();
  await using machine = await Machine.open(world);
  const id = await announce(machine, '2.0.0');
  await machine.agent(/default 1\.0\.0 -> 2\.0\.0: activated in B\n/);
  expect(await machine.grub()).toMatchObject({ ORDER: 'B A', B_OK: '1' });
  await machine.restart();
  expect(machine.folder.booted).toBe('B');
  const agent = await machine.agent(/: confirmed in B\n/);
  expect(await outcome(machine, id)).toMatchObject({ state: 'succeeded' });
  expect(await machine.grub()).toMatchObject({ ORDER: 'B A', B_OK: '1', B_TRY: '0' });
  await agent.stop();
  expect(agent.output()).toMatch(/SIGTERM: ending\n/);
  const notified = await readFile(machine.folder.file('notified'), 'utf8');
  expect(notified).toMatch(/^READY=1\n/);
  expect(notified).toMatch(/STATUS=default 1\.0\.0 -> 2\.0\.0: confirmed in B\n/);
  expect(notified).toMatch(/STOPPING=1\n$/);
});

test('an agent whose log nobody can write to goes on', async () => {
  await using world = await World.open();
  await using machine = await Machine.open(world);
  await announce(machine, '2.0.0');
  const full = await open('/dev/full', 'w');
  const args = [program, 'agent', '--config', await machine.configure()];
  const agent = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', full.fd] });
  const ended = once(agent, 'close');
  await full.close();
  await Promise.race([
    machine.restartAskedFor(),
    ended.then(() => Promise.reject(new Error('it has ended'))),
  ]);
  agent.kill('SIGHUP'); // the end of the session that it was started in
  expect(await ended).toEqual([0, null]);
});

test('a version that is not healthy is rolled back, and its log stands on the platform', async () => {
  await using world = await World.open();
  await using machine = await Machine.open(world);
  const id = await announce(machine, '2.0.0');
  await machine.agent(/: activated in B\n/);
  await machine.restart();
  const sick = { argv: ['sh', '-c', 'echo the screen stays dark; exit 3'] };
  const health = { checks: [sick], holdMs: 0, withinMs: 50, everyMs: 10 };
  await machine.agent(/: trial in B: /, { health });
  await machine.restartAskedFor();
  await machine.restart();
  expect(machine.folder.booted).toBe('A');
  const uploaded = world.platform.waitFor('log-posted');
  await machine.agent(/: rolledBack in B: /);
  const task = await outcome(machine, id);
  expect(task).toMatchObject({ state: 'failed', step: -1 });
  expect(task.desc).toContain('the screen stays dark');
  await uploaded;
  const log = world.platform.upgrades.logs(id).map(({ logContent }) => logContent);
  expect(log).toEqual(expect.arrayContaining([expect.stringContaining('activated in B')]));
  expect(log.join('\n')).toContain('the screen stays dark');
  expect(log.join('\n')).not.toContain(machine.key.deviceSecret);
});

test('an image that does not come before its window: its log stands on the platform too', async () => {
  await using world = await World.open();
  await using machine = await Machine.open(world);
  world.platform.faults.set({ kind: 'notice-digest' });
  const uploaded = world.platform.waitFor('log-posted');
  const id = await announce(machine, '2.0.0');
  const policy = { window: { from: '00:00', to: '23:59' } };
  await machine.agent(/default 1\.0\.0 -> 2\.0\.0: failed: ERR_DIGEST_MISMATCH/, { policy });
  expect(await outcome(machine, id)).toMatchObject({ state: 'failed', step: -3 });
  await uploaded;
  const log = world.platform.upgrades.logs(id).map(({ logContent }) => logContent);
  expect(log.join('\n')).toContain('2.0.0: failed: ERR_DIGEST_MISMATCH');
});

test('an upgrade that a rule refuses: its log stands on the platform too', async () => {
  await using world = await World.open();
  await using machine = await Machine.open(world);
  const uploaded = world.platform.waitFor('log-posted');
  const id = await announce(machine, '0.9.0');
  await machine.agent(/ERR_VERSION_REFUSED/, { policy: { newerOnly: true } });
  expect(await outcome(machine, id)).toMatchObject({ state: 'failed' });
  await uploaded;
  const log = world.platform.upgrades.logs(id).map(({ logContent }) => logContent);
  expect(log.join('\n')).toContain('ERR_VERSION_REFUSED');
});

test('killed at any moment, it goes on where it was', async () => {
  await using world = await World.open();
  await using machine = await Machine.open(world);
  const id = await announce(machine, '2.0.0');
  // Between its words and its end it may have come further: what it has done it does not say again.
  const phases = ['installing', 'installed', 'activated'];
  await (await machine.agent(/READY|connected\n/)).stop('SIGKILL');
  for (const phase of phases) {
    if (phases.indexOf(phase) <= phases.indexOf(await machine.phase())) continue;
    await (await machine.agent(new RegExp(`: ${phase}( in B)?\n`))).stop('SIGKILL');
  }
  await machine.restart();
  await machine.agent(/: confirmed in B\n/);
  expect(await outcome(machine, id)).toMatchObject({ state: 'succeeded' });
  expect(await machine.folder.versionIn('B')).toBe('2.0.0');
});

test('an operator at the machine sees what runs, confirms it, and rolls it back', async () => {
  await using world = await World.open();
  await using machine = await Machine.open(world);
  const before = await machine.command('status');
  expect(before).toMatchObject({ code: 0, stderr: '' });
  expect(before.stdout).toMatch(/^default \(slots\)\n {2}A +good +runs, next\n {2}B +bad\n$/);
  await announce(machine, '2.0.0');
  await machine.agent(/: activated in B\n/);
  await machine.restart();
  const { code, stdout } = await machine.command('status', '--json');
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    ...{ schema: 1, ok: true },
    modules: [{ module: 'default', booted: 'B', update: { phase: 'activated', version: '2.0.0' } }],
  });
  expect(await machine.command('confirm')).toMatchObject({
    code: 0,
    stdout: 'default: B runs, the next start takes B\n',
  });
  expect(await machine.grub()).toMatchObject({ B_TRY: '0' });
  const { installer } = JSON.parse(await readFile(await machine.configure(), 'utf8'));
  const stuck = await machine.configure({ installer: { ...installer, reboot: ['false'] } });
  const args = [program, 'rollback', '--restart', '--json', '--config', stuck];
  const failed = await run(process.execPath, args);
  expect(failed).toMatchObject({ code: 1, stderr: '' });
  expect(JSON.parse(failed.stdout)).toMatchObject({ ok: false });
  const rolledBack = await machine.command('rollback', '--json', '--restart');
  expect(rolledBack).toMatchObject({ code: 0 });
  expect(JSON.parse(rolledBack.stdout)).toMatchObject({
    ok: true,
    modules: [{ booted: 'B', next: 'A' }],
  });
  expect(await machine.grub()).toMatchObject({ B_OK: '0' });
  await readFile(machine.folder.file('restarted'));
  await machine.restart();
  expect(machine.folder.booted).toBe('A');
  const again = await machine.command('rollback');
  expect(again).toMatchObject({ code: 1 });
  expect(again.stderr).toContain('there is no slot to fall back to from A (ERR_INVALID_STATE)');
  expect(await machine.command('status', '--module', 'x')).toMatchObject({ code: 2 });
});

test('what needs no platform needs no secret, and a damaged record stays where it is', async () => {
  await using world = await World.open();
  await using machine = await Machine.open(world);
  const record = machine.folder.file('record');
  await rm(machine.folder.file('secret'));
  await writeFile(record, 'damaged', { mode: 0o600 });
  const { code, stdout, stderr } = await machine.command('status');
  expect({ code, stdout }).toEqual({
    code: 0,
    stdout: expect.stringMatching(/^default \(slots\)/),
  });
  expect(stderr).toMatch(/record of the installation is damaged/);
  expect(stderr).not.toContain('kept');
  expect(await readFile(record, 'utf8')).toBe('damaged');
  expect(await machine.command('confirm')).toMatchObject({ code: 0 });
  const back = await machine.command('rollback');
  expect(back.stderr).toContain('there is no slot to fall back to from A');
  expect(await machine.command('agent')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('device.deviceSecretFile secret cannot be read: ENOENT'),
  });
});

test('several modules are rolled back together, or none is', async () => {
  await using world = await World.open();
  await using machine = await Machine.open(world);
  const { folder } = machine;
  const app = folder.file('app');
  await mkdir(`${app}/releases/1.0.0`, { recursive: true });
  await mkdir(`${app}/releases/2.0.0`);
  await symlink('releases/2.0.0', `${app}/current`);
  const good = ['releases/1.0.0', 'releases/2.0.0'];
  await writeFile(`${app}/state.json`, JSON.stringify({ good, whole: good }));
  const { installer: system } = JSON.parse(await readFile(await machine.configure(), 'utf8'));
  const modules = [
    { module: 'app', installer: { kind: 'directories', root: app, restart: ['true'] } },
    { installer: system }, // its other slot is bad
  ];
  const more = { modules, installer: undefined, versionFile: undefined };
  const config = await machine.configure(more);
  const rollback = (...args: string[]): Promise<Ended> =>
    run(process.execPath, [program, 'rollback', '--config', config, ...args]);
  const { code, stdout, stderr } = await rollback();
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain('default: there is no slot to fall back to from A');
  expect(await readlink(`${app}/current`)).toBe('releases/2.0.0');
  const one = await rollback('--module', 'app');
  expect(one).toMatchObject({ code: 0, stdout: expect.stringContaining('takes releases/1.0.0') });
});

test('what is wrong is said before anything is done', async () => {
  await using world = await World.open();
  await using machine = await Machine.open(world);
  const agent = (config: string, ...args: string[]) =>
    run(process.execPath, [program, 'agent', '--config', config, ...args]);
  expect(await agent(machine.folder.file('none.json'))).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(/none\.json: cannot be read: ENOENT\n$/),
  });
  const config = await machine.configure({ device: { productKey: 'a1' } });
  expect(await agent(config)).toMatchObject({ code: 2, stderr: expect.stringContaining('device') });
  expect(await agent(config, '--colour')).toMatchObject({ code: 2 });
  expect(await agent(config, '--help')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('Usage: iotkit-ota agent'),
  });
  // One record, one agent, and one connection: a second one would end the first.
  // The device knows of its connection before the platform says so.
  const connected = world.platform.waitFor('device-connected');
  const first = await machine.agent(/connected\n/);
  await connected;
  let connections = 0;
  world.platform.on('device-connected', () => {
    connections += 1;
  });
  const second = await agent(await machine.configure());
  expect(second).toMatchObject({ code: 75 });
  expect(second.stderr).toContain('ERR_INSTALL_BUSY');
  expect(second.stderr).toContain(`pid ${first.pid} (`);
  expect(connections).toBe(0);
  await first.stop();
});

test('the configuration is looked at and shown, without its secrets', async () => {
  await using world = await World.open();
  await using machine = await Machine.open(world);
  const config = await machine.configure({ log: { upload: false } });
  const check = () => run(process.execPath, [program, 'agent', '--check', '--config', config]);
  const { code, stdout, stderr } = await check();
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(JSON.parse(stdout)).toMatchObject({
    device: { deviceName: machine.key.deviceName, deviceSecretFile: machine.folder.file('secret') },
    installer: { kind: 'slots' },
    record: machine.folder.file('record'),
    images: machine.folder.directory,
    log: { upload: false },
  });
  expect(stdout).not.toContain(machine.key.deviceSecret);
  await machine.configure({ health: { checks: ['connected'], holdMs: -1 } });
  const wrong = await check();
  expect(wrong).toMatchObject({ code: 2, stdout: '' });
  expect(wrong.stderr).toMatch(/agent\.json: line 1: health\.holdMs must be /);
});

test('what the process is warned of is a line like any other, and steers no terminal', async () => {
  await using world = await World.open();
  await using machine = await Machine.open(world);
  const config = await machine.configure();
  const warning = machine.folder.file('warning.js');
  const emit = "process.emitWarning('/app/\\u009b2J is left', { code: 'IOTKIT_NOT_REMOVED' })";
  await writeFile(warning, `setImmediate(() => ${emit});`);
  const args = ['--require', warning, program];
  const status = await run(process.execPath, [...args, 'status', '--config', config]);
  expect(status).toMatchObject({
    code: 0,
    stderr: 'iotkit-ota: /app/?2J is left (IOTKIT_NOT_REMOVED)\n',
  });
  const ready = /IOTKIT_NOT_REMOVED[\s\S]*connected/;
  const all = [...args, 'agent', '--json', '--config', config];
  const agent = await start(process.execPath, all, { ready });
  await agent.stop();
  const lines = agent.output().trim().split('\n');
  const content = '/app/\u009b2J is left (IOTKIT_NOT_REMOVED)';
  const said = lines.map((line) => JSON.parse(line));
  expect(said).toContainEqual(expect.objectContaining({ level: 'warn', content }));
});

test('an update waits for the consent of a user at the machine', async () => {
  await using world = await World.open();
  await using machine = await Machine.open(world);
  const policy = { policy: { consent: 'install' } };
  expect(await machine.command('consent')).toMatchObject({
    code: 69,
    stderr: expect.stringContaining('no agent runs'),
  });
  const nobody = await machine.command('consent', '--accept', '--json');
  expect(nobody).toMatchObject({ code: 69, stderr: '' });
  expect(JSON.parse(nobody.stdout)).toMatchObject({
    ...{ schema: 1, ok: false },
    error: { code: 'ERR_INSTALL_UNAVAILABLE', message: expect.stringContaining('no agent runs') },
  });
  const refused = await announce(machine, '2.0.0');
  await machine.agent(/default 2\.0\.0 waits for consent/, policy);
  expect((await stat(machine.folder.file('record.sock'))).mode & 0o777).toBe(0o600);
  const { stdout } = await machine.command('status', '--json');
  const waiting = { module: 'default', version: '2.0.0', from: '1.0.0', step: 'install' };
  expect(JSON.parse(stdout)).toMatchObject({ agent: {}, modules: [{ waiting }] });
  const status = await machine.command('status');
  expect(status.stdout).toContain('waits for consent: 1.0.0 -> 2.0.0, install,');
  expect(await machine.command('consent')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('default: waits: 1.0.0 -> 2.0.0, install'),
  });
  // The question is asked again after a restart of the agent, however it has ended.
  await machine.restart();
  await machine.agent(/default 2\.0\.0 waits for consent/, policy);
  const reason = ['--reject', '--reason', 'not on a Friday'];
  expect(await machine.command('consent', ...reason)).toMatchObject({ code: 0 });
  const task = await outcome(machine, refused);
  expect(task).toMatchObject({ state: 'failed', desc: expect.stringContaining('not on a Friday') });
  expect(await machine.command('consent', '--accept')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('nothing waits'),
  });
  const nothing = await machine.command('consent', '--accept', '--json');
  expect(JSON.parse(nothing.stdout)).toMatchObject({
    ok: false,
    error: { code: 'ERR_INVALID_STATE' },
  });
  await machine.restart();
  await announce(machine, '3.0.0');
  await machine.agent(/default 3\.0\.0 waits for consent/, policy);
  const unseen = await machine.command('consent', '--accept', '--version', '2.0.0', '--json');
  expect(unseen).toMatchObject({ code: 1, stderr: '' });
  expect(JSON.parse(unseen.stdout)).toMatchObject({
    error: {
      code: 'ERR_INVALID_STATE',
      message: '2.0.0 does not wait for consent, but default 3.0.0',
    },
  });
  const seen = ['--version', '3.0.0', '--module', 'default'];
  const accepted = await machine.command('consent', '--accept', ...seen, '--json');
  expect(JSON.parse(accepted.stdout)).toMatchObject({
    ...{ ok: true, answered: true },
    updates: [{ version: '3.0.0' }],
  });
  await machine.restartAskedFor();
  expect(await machine.folder.versionIn('B')).toBe('3.0.0');
  expect(await machine.command('consent', '--accept', '--reject')).toMatchObject({ code: 2 });
});
