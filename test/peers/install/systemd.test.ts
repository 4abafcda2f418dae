// The agent as a service of systemd itself, by the unit in examples/systemd, and what docs/agent.md says of it.
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { commandLine, makeRelease } from '../../support/package-release';
import { runWell } from '../../support/process';
import { hasSystemd, Systemd } from '../../support/systemd';
import { type Registered, World } from '../../support/world';

const AGENT = 'iotkit-ota-agent.service';
const example = path.resolve(__dirname, '..', '..', '..', 'examples', 'systemd', AGENT);

/** An application that systemd starts, of a version that works. */
const works = `#!/bin/sh
systemd-notify --ready --status="$(cat "$(dirname "$0")/VERSION")"
exec sleep infinity
`;
const fails = '#!/bin/sh\nexit 1\n';

/** What a test changes of it. */
interface Config {
  readonly installer: { restart: readonly string[] };
  readonly health: { readonly checks: unknown[] };
  hooks?: Readonly<Record<'beforeInstall', unknown>>;
}

/** A machine with an application in releases, or with an agent that is one itself. */
class Gateway implements AsyncDisposable {
  #systemd: Systemd | undefined;

  private constructor(
    readonly world: World,
    readonly key: Registered,
  ) {}

  /** `service`: what an update restarts, and asks whether it is well; `more` of what is told to systemctl. */
  static async open(service: string, ...more: readonly string[]): Promise<Gateway> {
    const world = await World.open();
    const gateway = new Gateway(world, await world.register());
    await gateway.#configure(service, more);
    await mkdir(gateway.at('app/releases'), { recursive: true });
    await symlink('releases/1.0.0', gateway.at('app/current'));
    return gateway;
  }

  readonly at = (name: string): string => this.world.path(name);

  get systemd(): Systemd {
    return this.#systemd as Systemd;
  }

  /** What the agent has said. */
  log(): Promise<string> {
    return readFile(this.at('log'), 'utf8').catch(() => '');
  }

  /** A command that waits to be ended when it is first called while `when`; then there is the file `name`. */
  async waiting(name: string, command = 'exit 0', when = 'true'): Promise<readonly [string]> {
    const file = this.at(name);
    const script = this.at(`wait-${name}`);
    await writeFile(
      script,
      `#!/bin/sh\n${when} && [ ! -e ${file} ] || ${command}\n: >${file}\nexec sleep infinity\n`,
    );
    await chmod(script, 0o755);
    return [script];
  }

  /** Changes the agent's configuration. */
  async change(change: (config: Config) => void): Promise<void> {
    const config = JSON.parse(await readFile(this.at('agent.json'), 'utf8')) as Config;
    change(config);
    await writeFile(this.at('agent.json'), JSON.stringify(config));
  }

  async #configure(service: string, more: readonly string[]): Promise<void> {
    const { productKey, deviceName, deviceSecret } = this.key;
    const config = {
      device: { productKey, deviceName, deviceSecret, ...this.world.address() },
      installer: {
        kind: 'directories',
        root: 'app',
        restart: ['systemctl', 'restart', ...more, service],
      },
      versionFile: 'app/current/VERSION',
      health: {
        checks: ['connected', { argv: ['systemctl', 'is-active', '--quiet', service] }],
        holdMs: 0,
        everyMs: 10,
      },
    };
    await writeFile(this.at('agent.json'), JSON.stringify(config), { mode: 0o600 });
  }

  /** The unit of the example for this machine, with more of it. */
  async unit(script: string, unit: string, service: string): Promise<string> {
    const given = await readFile(example, 'utf8');
    const command = `ExecStart=${process.execPath} ${script} agent --config ${this.at('agent.json')}`;
    const made = given
      .replace(/^ExecStart=\S+ \S+ agent --config \S+$/m, command)
      .replace('[Unit]\n', `[Unit]\n${unit}\n`)
      .replace('RestartSec=5', `RestartSec=0\nStandardError=append:${this.at('log')}\n${service}`);
    expect(made).toContain(command);
    return made;
  }

  async application(version: string, program: string, folder: string): Promise<void> {
    await mkdir(folder, { recursive: true });
    await writeFile(path.join(folder, 'VERSION'), version);
    await writeFile(path.join(folder, 'run'), program);
    await chmod(path.join(folder, 'run'), 0o755);
  }

  async announce(version: string, folder: string): Promise<string> {
    await runWell('tar', ['-czf', this.at('image'), '-C', folder, '.']);
    const { id: firmwareId } = await this.world.store(await readFile(this.at('image')), {
      version,
    });
    const devices = [this.key.deviceName];
    return (await this.world.platform.upgrades.start({ firmwareId, devices })).id;
  }

  /** Starts systemd with units, and services. */
  async start(units: Readonly<Record<string, string>>, ...services: string[]): Promise<void> {
    this.#systemd = await Systemd.start(this.at('units'), units);
    for (const service of services) await this.systemd.control('start', service);
  }

  /** Resolves when the agent's log has it. */
  async logged(moment: RegExp): Promise<void> {
    while (!moment.test(await this.log())) await new Promise((next) => setImmediate(next));
  }

  /** Resolves when there is such a file. */
  async made(name: string): Promise<void> {
    while (!existsSync(this.at(name))) await new Promise((next) => setImmediate(next));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#systemd?.[Symbol.asyncDispose]();
    await this.world[Symbol.asyncDispose]();
  }
}

/** Of a machine that has systemd, and lets us make namespaces. */
const withSystemd = hasSystemd() ? test : test.skip;

describe('an application', () => {
  async function machine(
    more = '',
    change: (gateway: Gateway) => Promise<void> = async () => {},
  ): Promise<Gateway> {
    const gateway = await Gateway.open('app');
    await change(gateway);
    await gateway.application('1.0.0', works, gateway.at('app/releases/1.0.0'));
    const app = `
[Unit]
StartLimitIntervalSec=0
[Service]
Type=notify
NotifyAccess=all
ExecStart=${gateway.at('app/current/run')}
`;
    const agent = await gateway.unit(commandLine, '', more);
    await gateway.start({ 'app.service': app, [AGENT]: agent }, 'app', AGENT);
    return gateway;
  }

  withSystemd('is updated, and its service restarted; the unit says how it went', async () => {
    await using gateway = await machine();
    const { systemd, world } = gateway;
    await gateway.application('2.0.0', works, gateway.at('made'));
    const id = await gateway.announce('2.0.0', gateway.at('made'));
    expect(await world.outcome(id)).toMatchObject({ state: 'succeeded' });
    expect(await systemd.property('app', 'StatusText')).toBe('2.0.0');
    while (!/confirmed in releases\/2\.0\.0/.test(await systemd.property(AGENT, 'StatusText'))) {}
    await systemd.control('stop', AGENT);
    expect(await systemd.property(AGENT, 'Result')).toBe('success');
    expect(await systemd.property(AGENT, 'NRestarts')).toBe('0');
    expect(await gateway.log()).toContain('SIGTERM: ending');
    expect(await gateway.log()).not.toContain('systemd-notify');
  });

  withSystemd(
    'whose new release does not start runs the old one, and that is reported',
    async () => {
      await using gateway = await machine();
      await gateway.application('2.0.0', fails, gateway.at('made'));
      const id = await gateway.announce('2.0.0', gateway.at('made'));
      const { state, step } = await gateway.world.outcome(id);
      expect({ state, step }).toEqual({ state: 'failed', step: -1 });
      expect(await readlink(gateway.at('app/current'))).toBe('releases/1.0.0');
      expect(await gateway.systemd.property('app', 'ActiveState')).toBe('active');
      expect(await gateway.systemd.property('app', 'StatusText')).toBe('1.0.0');
    },
  );

  withSystemd('is updated by an agent that is killed on the way', async () => {
    await using gateway = await machine();
    await gateway.application('2.0.0', works, gateway.at('made'));
    const id = await gateway.announce('2.0.0', gateway.at('made'));
    for (const moment of [/: installing/, /: activated in /]) {
      await gateway.logged(moment);
      await gateway.systemd.control('kill', '--signal=KILL', AGENT);
    }
    expect(await gateway.world.outcome(id)).toMatchObject({ state: 'succeeded' });
    expect(await gateway.systemd.property('app', 'StatusText')).toBe('2.0.0');
    expect(await gateway.systemd.property(AGENT, 'NRestarts')).not.toBe('0');
  });

  // By itself systemd ends all processes of a service at once, with `mixed` the agent, which ends the others.
  for (const mode of ['mixed', 'control-group']) {
    withSystemd(`is updated by an agent that is stopped on the way, KillMode=${mode}`, async () => {
      await using gateway = await machine(`KillMode=${mode}`, async (gateway) => {
        const hook = { argv: await gateway.waiting('hook') };
        // That of 1.0.0 is asked too, when the agent starts.
        const running = 'systemctl show --property StatusText app';
        const check = { argv: await gateway.waiting('check', 'exit 0', `${running} | grep 2.0.0`) };
        const restart = await gateway.waiting('restart', 'exec systemctl restart app');
        await gateway.change((config) => {
          config.hooks = { beforeInstall: hook };
          config.installer.restart = restart;
          config.health.checks.push(check);
        });
      });
      await gateway.application('2.0.0', works, gateway.at('made'));
      const id = await gateway.announce('2.0.0', gateway.at('made'));
      for (const waits of ['hook', 'restart', 'check']) {
        await gateway.made(waits);
        await gateway.systemd.control('stop', AGENT);
        await gateway.systemd.control('start', AGENT);
      }
      expect(await gateway.world.outcome(id)).toMatchObject({ state: 'succeeded' });
      expect(await gateway.log()).not.toMatch(/error/);
      expect(await gateway.systemd.property('app', 'StatusText')).toBe('2.0.0');
    });
  }

  withSystemd('has an agent again when the old one is stuck', async () => {
    await using gateway = await machine('WatchdogSec=3');
    const { systemd } = gateway;
    const pid = await systemd.property(AGENT, 'MainPID');
    // One that a busy machine has held up for too long may have been started again before.
    const restarts = await systemd.property(AGENT, 'NRestarts');
    await systemd.control('kill', '--signal=STOP', '--kill-who=main', AGENT);
    while ((await systemd.property(AGENT, 'NRestarts')) === restarts) {}
    await systemd.control('start', AGENT);
    expect(await systemd.property(AGENT, 'MainPID')).not.toBe(pid);
    await gateway.application('2.0.0', works, gateway.at('made'));
    const id = await gateway.announce('2.0.0', gateway.at('made'));
    expect(await gateway.world.outcome(id)).toMatchObject({ state: 'succeeded' });
  });
});

describe('an agent that is in the release', () => {
  async function machine(): Promise<Gateway> {
    const gateway = await Gateway.open(AGENT, '--no-block');
    await makeRelease('1.0.0', gateway.at('app/releases/1.0.0'));
    const limits =
      'StartLimitIntervalSec=300\nStartLimitBurst=5\nOnFailure=iotkit-ota-back.service';
    const script = gateway.at('app/current/dist/cli/index.js');
    const back = `
[Service]
Type=oneshot
ExecStart=${process.execPath} ${commandLine} rollback --config ${gateway.at('agent.json')}
ExecStart=/usr/bin/systemctl reset-failed ${AGENT}
ExecStart=/usr/bin/systemctl start --no-block ${AGENT}
`;
    const agent = await gateway.unit(script, limits, '');
    await gateway.start({ [AGENT]: agent, 'iotkit-ota-back.service': back }, AGENT);
    return gateway;
  }

  withSystemd('is ended by its own restart, and confirmed by the new one', async () => {
    await using gateway = await machine();
    await makeRelease('2.0.0', gateway.at('made'));
    const id = await gateway.announce('2.0.0', gateway.at('made'));
    expect(await gateway.world.outcome(id)).toMatchObject({ state: 'succeeded' });
    expect(await readlink(gateway.at('app/current'))).toBe('releases/2.0.0');
    expect(await gateway.log()).toMatch(/activated in [\s\S]*SIGTERM: ending\n[\s\S]*: trial in /);
  });

  withSystemd('that does not start is left by OnFailure=, and that is reported', async () => {
    await using gateway = await machine();
    await makeRelease('2.0.0', gateway.at('made'));
    await writeFile(gateway.at('made/dist/cli/index.js'), 'process.exit(1);\n');
    const id = await gateway.announce('2.0.0', gateway.at('made'));
    expect(await gateway.world.outcome(id)).toMatchObject({ state: 'failed', step: -1 });
    expect(await readlink(gateway.at('app/current'))).toBe('releases/1.0.0');
    expect(await gateway.systemd.property(AGENT, 'ActiveState')).toBe('active');
  });
});
