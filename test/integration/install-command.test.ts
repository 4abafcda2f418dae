// `iotkit-ota install` as an operator runs it: the built package in a process of its own, releases in directories.
import { spawn } from 'node:child_process';
import { generateKeyPairSync, sign } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, watch } from 'node:fs';
import {
  chmod,
  mkdir,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import { beginning, RecordFile } from '../../lib/install/record';
import { deltaOf } from '../support/delta';
import { imageOf, sha256 } from '../support/image';
import { type Ended, type Running, run, runWell, start } from '../support/process';
import { startProxy } from '../support/proxy';
import { RangedServer } from '../support/ranged-server';
import { type Registered, World } from '../support/world';

const program = path.resolve(__dirname, '..', '..', 'dist', 'cli', 'index.js');

/** An application in directories, its agent's configuration, and images on a stick. */
class Machine implements AsyncDisposable {
  #agent: Running | undefined;

  private constructor(
    readonly world: World,
    readonly key: Registered,
  ) {}

  static async open(): Promise<Machine> {
    const world = await World.open();
    const machine = new Machine(world, await world.register());
    const { at } = machine;
    await mkdir(at('app/releases/1.0.0'), { recursive: true });
    await symlink('releases/1.0.0', at('app/current'));
    await writeFile(at('app/releases/1.0.0/VERSION'), '1.0.0');
    const good = ['releases/1.0.0'];
    await writeFile(at('app/state.json'), JSON.stringify({ good, whole: good }));
    await writeFile(at('restart'), `#!/bin/sh\necho restarted >> '${at('restarted')}'\n`);
    await chmod(at('restart'), 0o755);
    await writeFile(at('secret'), machine.key.deviceSecret);
    await writeFile(at('ca.pem'), world.platform.ca);
    await machine.configure();
    return machine;
  }

  readonly at = (name: string): string => path.join(this.world.directory, name);

  installer(more: string): Promise<void> {
    return this.configure('', '', more);
  }

  /** @param other another module, with the same installer */
  async configure(more = '', device = '', installer = '', other = ''): Promise<void> {
    const { productKey, deviceName } = this.key;
    const isAlone = other === '';
    await writeFile(
      this.at('agent.toml'),
      `${isAlone ? 'versionFile = "app/current/VERSION"' : ''}
record = "update.record"
${more}

[device]
productKey = "${productKey}"
deviceName = "${deviceName}"
deviceSecretFile = "secret"
url = "${this.world.platform.mqttsUrl}"
${device}
[device.tls]
caFile = "ca.pem"

${isAlone ? '[installer]' : `[[modules]]\nmodule = "${other}"\n[modules.installer]`}
kind = "directories"
root = "app"
restart = ["${this.at('restart')}"]
${installer}
${isAlone ? '' : `[[modules]]\n[modules.installer]\nkind = "directories"\nroot = "other"\nrestart = ["true"]`}

[health]
checks = ["connected"]
holdMs = 0
everyMs = 10
`,
    );
  }

  /** An archive with a release; returns its digest. */
  async image(version: string, name = 'app.tar', extra = ''): Promise<string> {
    const folder = this.at(`made-${version}`);
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, 'VERSION'), version);
    await writeFile(path.join(folder, 'app'), `${extra}${imageOf(300_000).toString('hex')}`);
    await runWell('tar', ['-cf', this.at(name), '-C', folder, '.']);
    return sha256(await readFile(this.at(name)));
  }

  install(...args: string[]): Promise<Ended> {
    const all = [program, 'install', ...args, '--config', this.at('agent.toml')];
    return run(process.execPath, all);
  }

  async agent(ready: RegExp): Promise<Running> {
    const args = [program, 'agent', '--config', this.at('agent.toml')];
    this.#agent = await start(process.execPath, args, { ready });
    return this.#agent;
  }

  async record() {
    return (await RecordFile.open(this.at('update.record'))).content;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent?.stop('SIGKILL');
    await this.world[Symbol.asyncDispose]();
  }
}

test('a file is installed and restarted into; the agent confirms it and reports it', async () => {
  await using machine = await Machine.open();
  const digest = await machine.image('2.0.0');
  const done = await machine.install(
    machine.at('app.tar'),
    '--version',
    '2.0.0',
    '--sha256',
    digest,
  );
  expect(done.stderr).toMatch(/default 1\.0\.0 -> 2\.0\.0: activated in releases\/2\.0\.0\n/);
  expect(done).toMatchObject({ code: 0, stdout: expect.stringContaining('releases/2.0.0') });
  expect(await readlink(machine.at('app/current'))).toBe('releases/2.0.0');
  expect(await readFile(machine.at('restarted'), 'utf8')).toBe('restarted\n');
  expect((await machine.record()).entries['']).toMatchObject({
    ...{ id: '', phase: 'activated', version: '2.0.0', reported: false },
    digest: { method: 'sha256', value: digest },
  });
  const again = await machine.install(machine.at('app.tar'), '--version', '3', '--sha256', digest);
  expect(again).toMatchObject({ code: 75, stderr: expect.stringContaining('is under way') });
  const heard = machine.world.platform.waitFor(
    'version-reported',
    ({ version }) => version === '2.0.0',
  );
  const agent = await machine.agent(/: confirmed in releases\/2\.0\.0\n/);
  await heard;
  // Beside an agent it does nothing.
  const beside = await machine.install(machine.at('app.tar'), '--version', '3', '--sha256', digest);
  expect(beside.code).toBe(75);
  expect(beside.stderr).toContain(`pid ${agent.pid} (`);
  await agent.stop();
});

test('a URL is installed, as JSON and without a restart', async () => {
  await using machine = await Machine.open();
  const digest = await machine.image('2.0.0');
  await using server = await RangedServer.open(await readFile(machine.at('app.tar')));
  const args = [`${server.url}/app.tar`, '--version', '2.0.0', '--sha256', digest];
  const done = await machine.install(...args, '--no-restart', '--json');
  expect(done).toMatchObject({ code: 0, stderr: '' });
  expect(JSON.parse(done.stdout)).toEqual({
    ...{ schema: 1, ok: true, module: 'default', version: '2.0.0' },
    ...{ slot: 'releases/2.0.0', restarts: false },
  });
  expect(existsSync(machine.at('restarted'))).toBe(false);
});

test('the size of an image is asked for where the image may be fetched from, and as it is', async () => {
  await using machine = await Machine.open();
  await using proxy = await startProxy();
  const digest = await machine.image('2.0.0');
  await using server = await RangedServer.open(await readFile(machine.at('app.tar')));
  const args = [`${server.url}/app.tar`, '--version', '2.0.0', '--sha256', digest];
  await machine.configure('', '[device.fetch]\nallowedHosts = ["fw.example.com"]');
  const elsewhere = await machine.install(...args);
  expect(elsewhere).toMatchObject({ code: 77, stderr: expect.stringContaining('ERR_HOST_NOT') });
  await machine.configure('', '[device.fetch]\nhttpsOnly = true');
  const plain = await machine.install(...args);
  expect(plain).toMatchObject({ code: 77, stderr: expect.stringContaining('ERR_TLS_REQUIRED') });
  expect(server.asked).toEqual([]);
  const by = `proxy = "http://127.0.0.1:${proxy.port}"\nnoProxy = ""`;
  await machine.configure('', `[device.fetch]\n${by}`);
  expect(await machine.install(...args)).toMatchObject({ code: 0 });
  expect(proxy.requests.length).toBe(server.asked.length);
  expect(server.asked.length).toBeGreaterThan(1);
});

test('the rules that hold for upgrades of the platform hold', async () => {
  await using machine = await Machine.open();
  const digest = await machine.image('1.0.0');
  const install = (version: string, ...more: string[]): Promise<Ended> =>
    machine.install(machine.at('app.tar'), '--version', version, ...more);
  const given = ['--sha256', digest];
  await machine.configure('policy = { newerOnly = true, consent = "install" }');
  const older = await install('0.9.0', ...given, '--accept', '--json');
  expect(older).toMatchObject({ code: 77, stderr: '' });
  expect(JSON.parse(older.stdout).error.code).toBe('ERR_VERSION_REFUSED');
  const unasked = await install('2.0.0', ...given);
  expect(unasked).toMatchObject({ code: 77, stderr: expect.stringContaining('--accept') });
  // Nothing is under way that `status` could show.
  expect((await machine.record()).entries['']?.version).not.toBe('2.0.0');
  await machine.configure('hooks = { beforeInstall = { argv = ["false"] } }');
  const held = await install('2.0.0', ...given);
  expect(held).toMatchObject({ code: 1, stderr: expect.stringContaining('beforeInstall') });
  await machine.configure();
  const damaged = await install('2.0.0', '--sha256', `${digest.slice(1)}0`);
  expect(damaged).toMatchObject({ code: 65, stderr: expect.stringContaining('ERR_DIGEST') });
  expect(await readlink(machine.at('app/current'))).toBe('releases/1.0.0');
  expect(await readdir(machine.at('app/releases'))).toEqual(['1.0.0']);
  // Nobody has announced it, so the agent has nothing to say of it.
  expect((await machine.record()).entries['']).toMatchObject({ id: '', phase: 'failed' });
  const none = await install('2.0.0');
  expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining('--sha256') });
  for (const version of ['a/b', '1'.repeat(65)]) {
    expect(await install(version, ...given)).toMatchObject({ code: 2 });
  }
  await writeFile(machine.at('app.tar'), '');
  const empty = await install('2.0.0', ...given);
  expect(empty).toMatchObject({ code: 65, stderr: expect.stringContaining('app.tar is empty') });
  await rm(machine.at('app.tar'));
  expect(await install('2.0.0', ...given)).toMatchObject({ code: 66 });
});

test('a version of what runs that cannot be read ends it', async () => {
  await using machine = await Machine.open();
  const digest = await machine.image('2.0.0');
  await rm(machine.at('app/releases/1.0.0/VERSION'));
  const args = [machine.at('app.tar'), '--version', '2.0.0', '--sha256', digest];
  expect(await machine.install(...args)).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('versionFile app/current/VERSION cannot be read: ENOENT'),
  });
});

test('a signed description beside the file is enough, whoever has forged it is refused', async () => {
  await using machine = await Machine.open();
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  await writeFile(machine.at('key.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
  const verify = 'verify = { publicKeysFile = "key.pem" }';
  await machine.configure('', verify);
  const sha = await machine.image('2.0.0');
  const describe = (digest: string, signed: string): Promise<void> => {
    const digestsign = sign('sha256', Buffer.from(signed, 'hex'), privateKey).toString('base64');
    const notice = { version: '2.0.0', signMethod: 'SHA256', sign: digest, digestsign };
    return writeFile(machine.at('app.tar.json'), JSON.stringify(notice));
  };
  await describe(sha, sha256(Buffer.from('another')));
  const forged = await machine.install(machine.at('app.tar'));
  expect(forged).toMatchObject({ code: 65, stderr: expect.stringContaining('ERR_SIGNATURE') });
  const plain = await machine.install(machine.at('app.tar'), '--sha256', sha);
  expect(plain.code).toBe(65);
  await machine.configure();
  const given = ['--version', '2.0.0', '--sha256', sha, '--signature', machine.at('key.pem')];
  const blind = await machine.install(machine.at('app.tar'), ...given);
  expect(blind).toMatchObject({ code: 2, stderr: expect.stringContaining('verify.publicKeys') });
  await machine.configure('', verify);
  await describe(sha, sha);
  expect(await machine.install(machine.at('app.tar'))).toMatchObject({ code: 0 });
  expect(await readlink(machine.at('app/current'))).toBe('releases/2.0.0');
});

test('none of the modules of one update is taken out of it', async () => {
  await using machine = await Machine.open();
  await machine.configure('together = true', '', '', 'mcu');
  const digest = await machine.image('2.0.0');
  const record = await RecordFile.open(machine.at('update.record'));
  const announced = { id: '1', version: '7.0.0', size: 1, phase: 'announced' } as const;
  const none = { method: 'sha256', value: '0'.repeat(64) } as const;
  await record.put({ ...beginning, ...announced, module: 'mcu', digest: none });
  const args = [machine.at('app.tar'), '--version', '2.0.0', '--sha256', digest];
  expect(await machine.install(...args)).toMatchObject({
    code: 75,
    stderr: expect.stringContaining('the update of mcu to 7.0.0 is under way (announced)'),
  });
});

test('a difference is applied to what the installer keeps', async () => {
  await using machine = await Machine.open();
  await machine.image('1.0.0', 'old.tar');
  const digest = await machine.image('2.0.0');
  await machine.installer('keepImages = true');
  await mkdir(machine.at('app/images'));
  const old = await readFile(machine.at('old.tar'));
  await writeFile(machine.at('app/images/1.0.0.image'), old);
  const delta = await deltaOf(old, await readFile(machine.at('app.tar')));
  await writeFile(machine.at('app.delta'), delta);
  const description = { version: '9.0.0', isDiff: true };
  await writeFile(machine.at('app.delta.json'), JSON.stringify(description));
  const args = [machine.at('app.delta'), '--sha256', sha256(delta)];
  // Whoever has made the stick does not choose the version.
  const unsaid = await machine.install(...args);
  expect(unsaid).toMatchObject({ code: 2, stderr: expect.stringContaining('--version') });
  const done = await machine.install(...args, '--version', '2.0.0');
  expect(done).toMatchObject({ code: 0, stdout: expect.stringContaining('releases/2.0.0') });
  expect(await readFile(machine.at('app/current/VERSION'), 'utf8')).toBe('2.0.0');
  expect((await machine.record()).entries['']).toMatchObject({ digest: { value: digest } });
});

test('an image is a file: nothing else is waited for', async () => {
  await using machine = await Machine.open();
  await runWell('mkfifo', [machine.at('fifo')]);
  const args = ['--version', '2.0.0', '--sha256', sha256(Buffer.from('bytes'))];
  for (const path of [machine.at('fifo'), machine.at('app')]) {
    const { code, stderr } = await machine.install(path, ...args);
    expect({ code, stderr }).toEqual({
      code: 66,
      stderr: expect.stringContaining(`${path} is no file`),
    });
  }
});

test('what an image says does not steer the terminal', async () => {
  await using machine = await Machine.open();
  await mkdir(machine.at('evil'));
  await runWell('mkfifo', [machine.at('evil/\u001b[2Jname')]);
  await runWell('tar', ['-cf', machine.at('app.tar'), '-C', machine.at('evil'), '.']);
  const digest = sha256(await readFile(machine.at('app.tar')));
  const args = [machine.at('app.tar'), '--version', '2.0.0', '--sha256', digest];
  const done = await machine.install(...args);
  expect(done).toMatchObject({ code: 65, stderr: expect.stringContaining('?[2Jname') });
  expect(done.stderr).not.toContain('\u001b');
});

test('killed while it installs, the next call installs it', async () => {
  await using machine = await Machine.open();
  const digest = await machine.image('2.0.0');
  const args = [machine.at('app.tar'), '--version', '2.0.0', '--sha256', digest];
  const config = ['--config', machine.at('agent.toml')];
  for (const moment of [/: installing/, /: installed in/]) {
    const killed = await start(process.execPath, [program, 'install', ...args, ...config], {
      ready: moment,
    });
    await killed.stop('SIGKILL');
    const { phase } = (await machine.record()).entries[''] ?? {};
    if (phase !== 'installing') break;
  }
  const { phase } = (await machine.record()).entries[''] ?? {};
  const next = await machine.install(...args);
  // What is installed already is for the agent, which goes on with it.
  expect(next.code).toBe(phase === 'installing' ? 0 : 75);
  if (phase !== 'installing') await (await machine.agent(/: confirmed in/)).stop();
  expect(await readlink(machine.at('app/current'))).toBe('releases/2.0.0');
});

test('an update that has not started, as far as is known, is taken back by a roll back', async () => {
  await using machine = await Machine.open();
  const digest = await machine.image('2.0.0');
  const args = [machine.at('app.tar'), '--version', '2.0.0', '--sha256', digest, '--no-restart'];
  const done = await machine.install(...args);
  expect(done).toMatchObject({ code: 0, stderr: expect.not.stringContaining('still runs') });
  // The power of the agent's process was cut in the middle of its restart.
  const state = JSON.parse(await readFile(machine.at('app/state.json'), 'utf8'));
  const bootId = (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim();
  const begun = { before: 'releases/1.0.0', times: 1 };
  const started = { slot: 'releases/2.0.0', bootId, begun };
  await writeFile(machine.at('app/state.json'), JSON.stringify({ ...state, started }));
  const all = [program, 'rollback', '--restart', '--config', machine.at('agent.toml')];
  expect(await run(process.execPath, all)).toMatchObject({
    code: 0,
    stdout: 'default: releases/1.0.0 runs, the next start takes releases/1.0.0\n',
  });
  expect(await readlink(machine.at('app/current'))).toBe('releases/1.0.0');
  const after = JSON.parse(await readFile(machine.at('app/state.json'), 'utf8'));
  expect(after).toMatchObject({ good: ['releases/1.0.0'], started: { slot: 'releases/1.0.0' } });
  const agent = await machine.agent(/: rolledBack/);
  await agent.stop();
});

test('a service that does not start is left again', async () => {
  await using machine = await Machine.open();
  const digest = await machine.image('2.0.0');
  // The new release does not start.
  const script = `#!/bin/sh\ngrep -q 1.0.0 '${machine.at('app/current')}/VERSION'\n`;
  await writeFile(machine.at('restart'), script);
  const done = await machine.install(
    machine.at('app.tar'),
    '--version',
    '2.0.0',
    '--sha256',
    digest,
  );
  expect(done.code).toBe(1);
  expect(await readlink(machine.at('app/current'))).toBe('releases/1.0.0');
  await (await machine.agent(/: rolledBack in releases\/2\.0\.0/)).stop();
});

test('a service that starts with no release is not waited for: the agent goes on with it', async () => {
  await using machine = await Machine.open();
  const digest = await machine.image('2.0.0');
  await writeFile(machine.at('restart'), '#!/bin/sh\nexit 3\n');
  const args = ['--version', '2.0.0', '--sha256', digest];
  const done = await machine.install(machine.at('app.tar'), ...args);
  expect(done).toMatchObject({ code: 1, stderr: expect.stringContaining('ended with 3') });
  expect((await machine.record()).entries['']).toMatchObject({ phase: 'trial' });
  await writeFile(machine.at('restart'), '#!/bin/sh\n');
  await (await machine.agent(/: rolledBack in releases\/2\.0\.0/)).stop();
});

test.each([
  ['SIGHUP', 129],
  ['SIGTERM', 143],
] as const)('%s ends what it has started too, also when it comes twice', async (signal, code) => {
  await using machine = await Machine.open();
  const { at } = machine;
  const digest = await machine.image('2.0.0');
  const hook = `#!/bin/sh
trap 'sync; echo ended >"${at('ended')}"; exit 1' TERM
echo begun >"${at('begun')}"
tail -f /dev/null & wait
`;
  await writeFile(at('hook'), hook);
  await chmod(at('hook'), 0o755);
  await machine.configure(`hooks = { beforeInstall = { argv = ["${at('hook')}"] } }`);
  const given = ['--version', '2.0.0', '--sha256', digest, '--config', at('agent.toml')];
  const install = spawn(process.execPath, [program, 'install', at('app.tar'), ...given], {
    stdio: 'ignore',
  });
  const closed = once(install, 'close');
  await appears(at('begun'));
  install.kill(signal);
  install.kill(signal);
  expect(await closed).toEqual([code, null]);
  expect(existsSync(at('ended'))).toBe(true);
});

/** Resolves when there is such a file. */
function appears(file: string): Promise<void> {
  return new Promise((resolve) => {
    const look = (): void => {
      if (!existsSync(file)) return;
      watcher.close();
      resolve();
    };
    const watcher = watch(path.dirname(file), look);
    look();
  });
}
