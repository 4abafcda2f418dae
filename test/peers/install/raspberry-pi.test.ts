// examples/raspberry-pi: a real RAUC by its system.conf over two files, the agent by its agent.toml, libubootenv by its
// fw_env.config. U-Boot is played by a shell that runs its boot.cmd; `npm run torture:boot -- --loader u-boot` runs it
// in the real one.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { ubootVariables } from '../../support/boot-choosers';
import { type Running, run, start } from '../../support/process';
import { addressOf, killService, makeBundle, startBus, startService } from '../../support/rauc';
import { makeFirmwareKey, SlotFolder } from '../../support/slot-machine';
import { type Registered, World } from '../../support/world';

const root = path.resolve(__dirname, '..', '..', '..');
const example = path.join(root, 'examples', 'raspberry-pi');
const program = path.join(root, 'dist', 'cli', 'index.js');
const script = path.join(example, 'boot.cmd');

/** The commands of U-Boot that boot.cmd has, and its environment where fw_setenv has it. */
const uboot = `
env() { eval "[ -n \\"\\\${$2+set}\\" ]"; } # exists
setenv() { name=$1; shift; eval "$name=\\$*"; }
saveenv() {
  for name in BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT; do eval "echo \\"$name=\\$$name\\""; done >"$folder/saved"
  fw_setenv -c "$folder/fw_env.config" -f "$folder/saved" -s "$folder/saved"
}
load() { :; }
booti() { exit 0; }
reset() { exit 75; }
`;

class Board implements AsyncDisposable {
  #agent: Running | undefined;
  #service: Running | undefined;

  private constructor(
    readonly world: World,
    readonly key: Registered,
    readonly folder: SlotFolder,
    private readonly bus: Running,
  ) {}

  static async open(): Promise<Board> {
    const world = await World.open();
    const folder = await SlotFolder.open();
    for (const name of ['mnt', 'data', 'data/iotkit-ota', 'bin', 'boot']) {
      await mkdir(folder.file(name));
    }
    await makeFirmwareKey(folder);
    const board = new Board(world, await world.register(), folder, await startBus(folder));
    await board.#setUp();
    await board.powerOn();
    return board;
  }

  /** U-Boot, RAUC and the version of the system that they start. */
  async powerOn(): Promise<void> {
    const { folder } = this;
    const variables = await ubootVariables(folder.file('fw_env.config')).catch(() => ({}));
    const known = Object.entries(variables).filter(([name]) => name.startsWith('BOOT_'));
    const set = known.map(([name, value]) => `setenv ${name} ${value}\n`).join('');
    const text = `folder='${folder.directory}'\n${uboot}${set}. '${script}'\n`;
    const { code, stdout, stderr } = await run('sh', ['-c', text]);
    if (code === 75) return this.powerOn();
    const [, slot] = /^starting slot (\w)$/m.exec(stdout) ?? [];
    if (code !== 0 || slot === undefined) throw new Error(`U-Boot: ${stdout}${stderr}`);
    folder.booted = slot;
    await writeFile(folder.file('VERSION'), (await folder.versionIn(slot)) ?? 'none');
    const PATH = `${folder.file('bin')}:${process.env.PATH}`;
    this.#service = await startService(folder, { PATH });
  }

  async powerOff(): Promise<void> {
    await this.#agent?.stop('SIGKILL');
    if (this.#service !== undefined) await killService(this.folder, this.#service);
  }

  async agent(ready: RegExp): Promise<void> {
    const args = [program, 'agent', '--config', this.folder.file('agent.toml')];
    this.#agent = await start(process.execPath, args, { ready });
  }

  async announce(version: string): Promise<string> {
    const bundle = await makeBundle(this.folder, version, 'example-raspberrypi4');
    const { id: firmwareId } = await this.world.store(Buffer.from(bundle.bytes), { version });
    const devices = [this.key.deviceName];
    return (await this.world.platform.upgrades.start({ firmwareId, devices })).id;
  }

  uboot(): Promise<Record<string, string | undefined>> {
    return ubootVariables(this.folder.file('fw_env.config'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.powerOff();
    await this.bus.stop();
    await this.folder.remove();
    await this.world[Symbol.asyncDispose]();
  }

  async #setUp(): Promise<void> {
    const { folder, key, world } = this;
    const file = (name: string): string => folder.file(name);
    await this.#copy('system.conf', [
      ['/dev/mmcblk0p2', folder.device('A')],
      ['/dev/mmcblk0p3', folder.device('B')],
      ['/etc/rauc/keyring.pem', file('cert.pem')],
      ['/data', file('data')],
      ['/run/rauc', file('mnt')],
    ]);
    await this.#copy('fw_env.config', [['/boot/uboot', file('boot/uboot')]]);
    for (const name of ['uboot.env', 'uboot-redund.env']) {
      await writeFile(file(`boot/${name}`), Buffer.alloc(0x4000));
    }
    for (const name of ['fw_printenv', 'fw_setenv']) {
      const { stdout } = await run('which', [name]);
      const call = `exec ${stdout.trim()} -c '${file('fw_env.config')}' "$@"`;
      await writeFile(file(`bin/${name}`), `#!/bin/sh\n${call}\n`, { mode: 0o755 });
    }
    await this.#copy('agent.toml', [
      ['/data/iotkit-ota', file('data/iotkit-ota')],
      ['/etc/VERSION', file('VERSION')],
      ['"a1Product"', `"${key.productKey}"`],
      ['"board-7"', `"${key.deviceName}"`],
      ['region = "cn-shanghai"', `url = "${world.platform.mqttsUrl}"`],
      ['kind = "rauc"', `kind = "rauc"\nbus = "${addressOf(folder)}"\nreboot = ["true"]`],
      ['holdMs = 60000', 'holdMs = 0\neveryMs = 10'],
    ]);
    const tls = `\n[device.tls]\ncaFile = "ca.pem"\n`;
    await writeFile(file('agent.toml'), (await readFile(file('agent.toml'), 'utf8')) + tls);
    await writeFile(file('ca.pem'), world.platform.ca);
    await writeFile(file('data/iotkit-ota/secret'), key.deviceSecret, { mode: 0o600 });
  }

  /** A file of the example, with places of this test. */
  async #copy(name: string, places: readonly (readonly [string, string])[]): Promise<void> {
    let text = await readFile(path.join(example, name), 'utf8');
    for (const [from, to] of places) {
      if (!text.includes(from)) throw new Error(`${name} has no ${from}`);
      text = text.replaceAll(from, to);
    }
    await writeFile(this.folder.file(name), text);
  }
}

test('a bundle is installed by RAUC, started by U-Boot, confirmed and reported', async () => {
  await using board = await Board.open();
  const id = await board.announce('2.0.0');
  await board.agent(/default 1\.0\.0 -> 2\.0\.0: activated in rootfs\.1\n/);
  expect(await board.uboot()).toMatchObject({ BOOT_ORDER: 'B A', BOOT_B_LEFT: '3' });
  await board.powerOff();
  await board.powerOn();
  expect(board.folder.booted).toBe('B');
  expect(await board.uboot()).toMatchObject({ BOOT_B_LEFT: '2' });
  await board.agent(/: confirmed in rootfs\.1\n/);
  expect(await board.world.outcome(id)).toMatchObject({ state: 'succeeded' });
  expect(await board.uboot()).toMatchObject({ BOOT_ORDER: 'B A', BOOT_B_LEFT: '3' });
});

test('a system that does not come up is left after three tries, and the platform hears it', async () => {
  await using board = await Board.open();
  const id = await board.announce('2.0.0');
  await board.agent(/: activated in rootfs\.1\n/);
  const booted: string[] = [];
  for (let starts = 0; starts < 4; starts += 1) {
    await board.powerOff();
    await board.powerOn();
    booted.push(board.folder.booted);
  }
  expect(booted).toEqual(['B', 'B', 'B', 'A']);
  await board.agent(/: rolledBack in rootfs\.1/);
  // That the machine has started since, the agent would see by the boot id; here it is that of this machine.
  const desc = 'rootfs.1 was taken back before its trial';
  expect(await board.world.outcome(id)).toMatchObject({ state: 'failed', desc });
  expect(await board.uboot()).toMatchObject({ BOOT_ORDER: 'A', BOOT_B_LEFT: '0' });
});
