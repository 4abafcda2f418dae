// examples/robot: an arm that a script installs, and an application in directories, which are updated together.
import { execFileSync } from 'node:child_process';
import {
  chmod,
  mkdir,
  mkdtemp,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { UpgradeTask } from 'iotkit-ota-platform';
import { commandInstaller } from '../../lib/install/backends/command';
import type { Installer } from '../../lib/install/installer';
import { imageOf } from '../support/image';
import {
  type InstallerMachine,
  imageFile,
  type TestImage,
  testInstaller,
} from '../support/installer-contract';
import { type Running, start } from '../support/process';
import { type Registered, World } from '../support/world';

const root = path.resolve(__dirname, '..', '..');
const example = path.join(root, 'examples', 'robot');
const script = path.join(example, 'arm-installer');
const program = path.join(root, 'dist', 'cli', 'index.js');

const firmware = (version: string): Buffer =>
  Buffer.concat([Buffer.from(`${version}\n`), imageOf(300_000)]);

/** What a new arm has: a firmware in A. */
async function makeArm(folder: string): Promise<void> {
  await mkdir(folder);
  const files = { running: 'A', next: 'A', 'A.state': 'good', 'B.state': 'bad', VERSION: '1.0.0' };
  for (const [name, value] of Object.entries(files)) {
    await writeFile(path.join(folder, name), `${value}\n`);
  }
  await writeFile(path.join(folder, 'A'), firmware('1.0.0'));
}

class Arm implements InstallerMachine {
  readonly installer: Installer;

  private constructor(private readonly folder: string) {
    const argv = [script, path.join(folder, 'arm')];
    this.installer = commandInstaller({ argv, takes: 'stream', restarts: 'service' });
  }

  static async open(): Promise<Arm> {
    const folder = await mkdtemp(path.join(tmpdir(), 'iotkit-arm-'));
    await makeArm(path.join(folder, 'arm'));
    return new Arm(folder);
  }

  restart(): Promise<void> {
    return this.installer.reboot();
  }

  async image(version: string): Promise<TestImage> {
    const file = path.join(this.folder, `${version}.bin`);
    await writeFile(file, firmware(version));
    return imageFile(version, file);
  }

  async versionIn(slot: string): Promise<string | undefined> {
    const bytes = await readFile(path.join(this.folder, 'arm', slot));
    const version = bytes.toString('latin1', 0, bytes.indexOf('\n'));
    return bytes.equals(firmware(version)) ? version : undefined;
  }

  close(): Promise<void> {
    return rm(this.folder, { recursive: true });
  }
}

testInstaller('the script of an arm', () => Arm.open());

/** The robot with the example's configuration, but for where things are. */
class Robot implements AsyncDisposable {
  #agent: Running | undefined;

  private constructor(
    readonly world: World,
    readonly key: Registered,
  ) {}

  /** @param withinMs how long the health checks may fail */
  static async open(withinMs = 600_000): Promise<Robot> {
    const world = await World.open();
    const robot = new Robot(world, await world.register());
    const { at } = robot;
    await makeArm(at('arm'));
    await mkdir(at('app/releases'), { recursive: true });
    await robot.#release('1.0.0', at('app/releases/1.0.0'));
    await symlink('releases/1.0.0', at('app/current'));
    await writeFile(at('secret'), robot.key.deviceSecret, { mode: 0o600 });
    await writeFile(at('ca.pem'), world.platform.ca);
    await robot.#configure(withinMs);
    return robot;
  }

  readonly at = (name: string): string => path.join(this.world.directory, name);

  async #configure(withinMs: number): Promise<void> {
    const { productKey, deviceName } = this.key;
    const places: readonly (readonly [string, string])[] = [
      ['/var/lib/iotkit-ota', this.world.directory],
      ['/usr/libexec/arm-installer', script],
      ['/var/lib/arm', this.at('arm')],
      ['/opt/robot', this.at('app')],
      ['/run/robot/moving', this.at('moving')],
      ['"systemctl", "restart", "robot"', '"true"'],
      ['"a1Product"', `"${productKey}"`],
      ['"robot-7"', `"${deviceName}"`],
      ['region = "cn-shanghai"', `url = "${this.world.platform.mqttsUrl}"`],
      ['holdMs = 60000', `withinMs = ${withinMs}\nholdMs = 0\neveryMs = 10`],
    ];
    let text = await readFile(path.join(example, 'agent.toml'), 'utf8');
    for (const [from, to] of places) {
      if (!text.includes(from)) throw new Error(`agent.toml has no ${from}`);
      text = text.replaceAll(from, to);
    }
    await writeFile(this.at('agent.toml'), `${text}\n[device.tls]\ncaFile = "ca.pem"\n`);
  }

  async #release(version: string, folder: string, selfTest = 'exit 0'): Promise<void> {
    await mkdir(folder);
    await writeFile(path.join(folder, 'VERSION'), version);
    await writeFile(path.join(folder, 'self-test'), `#!/bin/sh\n${selfTest}\n`);
    await chmod(path.join(folder, 'self-test'), 0o755);
  }

  /** Announces both, and starts the agent; resolves with what has become of the arm and of the application. */
  async update(selfTest?: string): Promise<readonly UpgradeTask[]> {
    const { world, at } = this;
    await this.#release('2.0.0', at('made'), selfTest);
    const archive = execFileSync('tar', ['-cz', '-C', at('made'), '.']);
    const stored = [
      await world.store(firmware('2.0.0'), { version: '2.0.0', module: 'arm' }),
      await world.store(archive, { version: '2.0.0' }),
    ];
    const devices = [this.key.deviceName];
    const started = stored.map(({ id: firmwareId }) =>
      world.platform.upgrades.start({ firmwareId, devices, multiModule: true }),
    );
    const ids = (await Promise.all(started)).map(({ id }) => id);
    this.#agent = await start(process.execPath, [program, 'agent', '--config', at('agent.toml')], {
      ready: /connected/,
    });
    return Promise.all(ids.map((id) => world.outcome(id)));
  }

  async versions(): Promise<readonly string[]> {
    const files = [this.at('arm/VERSION'), this.at('app/current/VERSION')];
    return (await Promise.all(files.map((file) => readFile(file, 'utf8')))).map((it) => it.trim());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#agent?.stop('SIGKILL');
    await this.world[Symbol.asyncDispose]();
  }
}

test('both are updated, and the platform hears of both', async () => {
  await using robot = await Robot.open();
  const tasks = await robot.update();
  expect(tasks.map(({ state }) => state)).toEqual(['succeeded', 'succeeded']);
  expect(await robot.versions()).toEqual(['2.0.0', '2.0.0']);
  expect(await readFile(robot.at('arm/B.state'), 'utf8')).toBe('good\n');
});

test('an application that is not healthy takes the arm back with it', async () => {
  await using robot = await Robot.open(5000);
  const tasks = await robot.update('echo the arm does not answer; exit 1');
  expect(tasks).toMatchObject([
    { state: 'failed', desc: expect.stringContaining('the arm does not answer') },
    { state: 'failed', desc: expect.stringContaining('the arm does not answer') },
  ]);
  expect(await robot.versions()).toEqual(['1.0.0', '1.0.0']);
  expect(await readlink(robot.at('app/current'))).toBe('releases/1.0.0');
  expect(await readFile(robot.at('arm/running'), 'utf8')).toBe('A\n');
});
