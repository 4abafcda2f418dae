// An agent that is a part of the releases it installs: the built package in directories, started by a supervisor that
// does what a service manager does. The supervisor is a shell script.
import { existsSync } from 'node:fs';
import { chmod, readFile, readlink, symlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { commandLine, makeRelease } from '../support/package-release';
import { type Running, runWell, start } from '../support/process';
import { type Registered, World } from '../support/world';

/** Starts what `current` says, again and again; when that fails four times in a row, goes back. */
const supervisor = `#!/bin/sh
failed=0
trap 'kill "$child"; exit' TERM
while :; do
  "$NODE" "$ROOT/app/current/dist/cli/index.js" agent --config "$ROOT/agent.json" &
  child=$!
  echo "$child" > "$ROOT/pid.new" && mv "$ROOT/pid.new" "$ROOT/pid"
  if wait "$child"; then failed=0; else failed=$((failed + 1)); fi
  if [ "$failed" -eq 4 ]; then
    "$NODE" "$OUTSIDE" rollback --config "$ROOT/agent.json"
    failed=0
  fi
done
`;

class Machine implements AsyncDisposable {
  #supervisor: Running | undefined;

  private constructor(
    readonly world: World,
    readonly key: Registered,
  ) {}

  static async open(): Promise<Machine> {
    const world = await World.open();
    const machine = new Machine(world, await world.register());
    const { at, key } = machine;
    await makeRelease('1.0.0', at('app/releases/1.0.0'));
    await symlink('releases/1.0.0', at('app/current'));
    const good = ['releases/1.0.0'];
    await writeFile(at('app/state.json'), JSON.stringify({ good, whole: good }));
    await machine.#script('supervisor', supervisor);
    // As "systemctl restart --no-block": it does not wait for who has asked. Where that one was killed meanwhile, its
    // next one is not meant, which in its first moments the signal would end as a failure.
    await machine.#script(
      'restart',
      `#!/bin/sh\ntest "$(cat '${at('pid')}')" != $PPID || kill $PPID\n`,
    );
    const { productKey, deviceName, deviceSecret } = key;
    const config = {
      device: {
        ...{ productKey, deviceName, deviceSecret },
        url: world.platform.mqttsUrl,
        tls: { ca: world.platform.ca },
      },
      installer: { kind: 'directories', root: 'app', restart: [at('restart')] },
      versionFile: 'app/current/VERSION',
      record: 'update.record',
      health: { checks: ['connected'], holdMs: 0, everyMs: 10 },
    };
    await writeFile(at('agent.json'), JSON.stringify(config), { mode: 0o600 });
    return machine;
  }

  readonly at = (name: string): string => path.join(this.world.directory, name);

  async #script(name: string, text: string): Promise<void> {
    await writeFile(this.at(name), text);
    await chmod(this.at(name), 0o755);
  }

  /** Announces a release with an agent of its own, which `spoil` may change. */
  async announce(version: string, spoil?: (folder: string) => Promise<void>): Promise<string> {
    const folder = this.at(`made-${version}`);
    await makeRelease(version, folder);
    await spoil?.(folder);
    await runWell('tar', ['-czf', this.at('image'), '-C', folder, '.']);
    const image = await readFile(this.at('image'));
    const { id: firmwareId } = await this.world.store(image, { version });
    const devices = [this.key.deviceName];
    return (await this.world.platform.upgrades.start({ firmwareId, devices })).id;
  }

  /** Begins to supervise; resolves when something has said `ready`. */
  async supervise(ready: RegExp): Promise<Running> {
    const env = {
      ...process.env,
      NODE: process.execPath,
      ROOT: this.world.directory,
      OUTSIDE: commandLine,
    };
    this.#supervisor = await start(this.at('supervisor'), [], { ready, env });
    return this.#supervisor;
  }

  async kill(signal: NodeJS.Signals): Promise<void> {
    process.kill(Number(await readFile(this.at('pid'), 'utf8')), signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#supervisor?.stop();
    await this.world[Symbol.asyncDispose]();
  }
}

test('the agent of the new release confirms what the agent of the old one has installed', async () => {
  await using machine = await Machine.open();
  const id = await machine.announce('2.0.0');
  const { output } = await machine.supervise(/: confirmed in releases\/2\.0\.0\n/);
  expect(await machine.world.outcome(id)).toMatchObject({ state: 'succeeded' });
  expect(await readlink(machine.at('app/current'))).toBe('releases/2.0.0');
  expect(output()).toMatch(
    /activated in releases\/2\.0\.0\n[\s\S]*SIGTERM: ending\n[\s\S]*: trial in /,
  );
});

test('killed again and again, the agent ends up in the new release', async () => {
  await using machine = await Machine.open();
  const id = await machine.announce('2.0.0');
  // Whoever is killed is started again by the supervisor, of whatever release it then is.
  const supervised = await machine.supervise(/: installing/);
  await machine.kill('SIGKILL');
  for (const moment of [/: activated in /, /: trial in /]) {
    while (!moment.test(supervised.output())) await new Promise((next) => setImmediate(next));
    await machine.kill('SIGKILL').catch(() => {}); // where its end was begun already
  }
  const { state } = await machine.world.outcome(id);
  expect(state).toBe('succeeded');
  expect(await readlink(machine.at('app/current'))).toBe('releases/2.0.0');
});

test('a release whose agent does not start is left by the supervisor, and reported', async () => {
  await using machine = await Machine.open();
  const id = await machine.announce('2.0.0', (folder) =>
    writeFile(path.join(folder, 'dist/cli/index.js'), 'process.exit(1);\n'),
  );
  const { output } = await machine.supervise(/: rolledBack in releases\/2\.0\.0/);
  expect(await machine.world.outcome(id)).toMatchObject({ state: 'failed', step: -1 });
  expect(await readlink(machine.at('app/current'))).toBe('releases/1.0.0');
  expect(output()).toContain('the next start takes releases/1.0.0');
  expect(existsSync(machine.at('update.record'))).toBe(true);
});
