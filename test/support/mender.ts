import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type MenderInstallerOptions, menderInstaller } from '../../lib/install/backends/mender';
import type { Installer } from '../../lib/install/installer';
import { ubootVariables } from './boot-choosers';
import { imageOf, sha256 } from './image';
import { type InstallerMachine, imageFile, type TestImage } from './installer-contract';
import { run, runWell } from './process';

const SLOT_BYTES = 4 * 1024 * 1024;
const BOOT_LIMIT = 1;

type Slot = 'A' | 'B';

/**
 * A machine with the real client of Mender over two partitions (loop devices), each with a file system
 * that is really mounted at `/` for the client, and U-Boot's environment behind libubootenv's tools. What
 * U-Boot does at a start is played. Needs root.
 */
export class MenderMachine implements InstallerMachine {
  installer!: Installer;
  #booted: Slot = 'A';
  #lives = 0;
  readonly #versions = new Map<string, string>();

  private constructor(
    readonly directory: string,
    private readonly loops: Readonly<Record<Slot, string>>,
    private readonly streams: boolean,
  ) {}

  static async open(streams: boolean): Promise<MenderMachine> {
    const directory = await mkdtemp(path.join(tmpdir(), 'iotkit-mender-'));
    const loop = async (slot: Slot): Promise<string> => {
      const file = path.join(directory, `slot-${slot}.img`);
      await writeFile(file, Buffer.alloc(SLOT_BYTES));
      return (await runWell('losetup', ['--find', '--show', file])).trim();
    };
    const loops = { A: await loop('A'), B: await loop('B') };
    const machine = new MenderMachine(directory, loops, streams);
    await machine.#setUp();
    await machine.#begin();
    return machine;
  }

  file(name: string): string {
    return path.join(this.directory, name);
  }

  /** What U-Boot's script does: counts a trial, and leaves it for the other when it is not confirmed. */
  async restart(): Promise<void> {
    await this.#endCalls();
    const { upgrade_available: trial, bootcount, mender_boot_part: part } = await this.variables();
    let slot: Slot = part === this.number('A') ? 'A' : 'B';
    const count = Number(bootcount) + 1;
    if (trial === '1' && count > BOOT_LIMIT) {
      slot = slot === 'A' ? 'B' : 'A';
      await this.setVariables({ ...this.#boots(slot), upgrade_available: '0', bootcount: '0' });
    } else if (trial === '1') {
      await this.setVariables({ bootcount: String(count) });
    }
    this.#booted = slot;
    await this.#begin();
  }

  image(version: string): Promise<TestImage> {
    return this.artifact(version, 'test-board');
  }

  wrongImage(): Promise<TestImage> {
    return this.artifact('9.9.9', 'another-board');
  }

  /** An artifact with a system of this version. */
  async artifact(version: string, board: string, signed = this.streams): Promise<TestImage> {
    const file = this.file(`${version}-${board}-${signed}.mender`);
    if (existsSync(file)) return imageFile(version, file);
    const system = await this.#system(version);
    const key = signed ? ['-k', this.file('key.pem')] : [];
    const names = ['-t', board, '-n', version, '-f', system, '-o', file];
    const how = ['rootfs-image', '--no-progress', '--compression', 'none'];
    await runWell('mender-artifact', ['write', ...how, ...key, ...names]);
    return imageFile(version, file);
  }

  /** An artifact that changes no system: a script that is run. */
  async moduleArtifact(version: string): Promise<TestImage> {
    const file = this.file(`${version}-module.mender`);
    await writeFile(this.file('script'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
    const names = ['-t', 'test-board', '-n', version, '-f', this.file('script'), '-o', file];
    await runWell('mender-artifact', ['write', 'module-image', '-T', 'script', ...names]);
    return imageFile(version, file);
  }

  async versionIn(slot: string): Promise<string | undefined> {
    return this.#versions.get(sha256(await readFile(this.file(`slot-${slot}.img`))));
  }

  /** Another installer of this life of the machine. */
  withOptions(options: MenderInstallerOptions): Installer {
    return menderInstaller({ ...this.#options(), ...options });
  }

  /** What the client says, called as somebody at the machine does. */
  client(...args: readonly string[]) {
    return run(this.#life('mender'), [...this.#flags(), ...args]);
  }

  /** After its file has another size. */
  async resize(slot: Slot): Promise<void> {
    await runWell('losetup', ['--set-capacity', this.loops[slot]]);
  }

  async configure(values: Readonly<Record<string, unknown>>): Promise<void> {
    const config = {
      RootfsPartA: this.loops.A,
      RootfsPartB: this.loops.B,
      BootUtilitiesGetNextActivePart: this.#life('printenv'),
      BootUtilitiesSetActivePart: this.#life('setenv'),
      ServerURL: 'https://localhost',
      ...(this.streams && { ArtifactVerifyKey: this.file('public.pem') }),
      ...values,
    };
    await writeFile(this.#life('mender.conf'), JSON.stringify(config));
  }

  number(slot: Slot): string {
    return this.loops[slot].replace('/dev/loop', '');
  }

  variables(): Promise<Record<string, string | undefined>> {
    return ubootVariables(this.file('fw_env.config'));
  }

  async setVariables(variables: Readonly<Record<string, string>>): Promise<void> {
    const script = this.file('script.env');
    const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`);
    await writeFile(script, lines.join(''));
    await runWell('fw_setenv', ['-c', this.file('fw_env.config'), '-s', script]);
  }

  async close(): Promise<void> {
    await this.#endCalls();
    for (const loop of Object.values(this.loops)) await runWell('losetup', ['--detach', loop]);
    await rm(this.directory, { recursive: true, force: true });
  }

  async #setUp(): Promise<void> {
    for (const name of ['mnt', 'data', 'trees']) await mkdir(this.file(name));
    await writeFile(this.file('data/device_type'), 'device_type=test-board\n');
    const system = await this.#system('1.0.0');
    await runWell('dd', [`if=${system}`, `of=${this.loops.A}`, 'bs=1M', 'conv=fsync']);
    const [key, open] = [this.file('key.pem'), this.file('public.pem')];
    await runWell('openssl', ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', key]);
    await runWell('openssl', ['ec', '-in', key, '-pubout', '-out', open]);
    const copies = [this.file('uboot-1.env'), this.file('uboot-2.env')];
    for (const copy of copies) await writeFile(copy, Buffer.alloc(16_384));
    const config = copies.map((copy) => `${copy} 0x0 0x4000\n`).join('');
    await writeFile(this.file('fw_env.config'), config);
    await writeFile(this.file('default.env'), 'board=test\n');
    const first = ['-c', this.file('fw_env.config'), '-f', this.file('default.env')];
    await runWell('fw_setenv', [...first, 'bootcount', '0']);
    await this.setVariables({ ...this.#boots('A'), upgrade_available: '0' });
  }

  #boots(slot: Slot): Record<string, string> {
    const number = this.number(slot);
    const hexadecimal = Number(number).toString(16).toUpperCase();
    return { mender_boot_part: number, mender_boot_part_hex: hexadecimal };
  }

  /** Programs of this life: those of an earlier one are gone, as it is. */
  async #begin(): Promise<void> {
    await rm(this.#life(''), { recursive: true, force: true });
    this.#lives += 1;
    await mkdir(this.#life(''));
    const config = this.file('fw_env.config');
    const root = this.file('mnt');
    const scripts = {
      mender: `exec unshare -m sh -ec '
        mount -t ext4 -o ro ${this.loops[this.#booted]} ${root}
        for name in usr dev proc ${this.#top()}; do mount --rbind /$name ${root}/$name; done
        exec chroot ${root} mender "$@"' sh "$@"`,
      printenv: `exec fw_printenv -c ${config} "$@"`,
      setenv: `exec fw_setenv -c ${config} "$@"`,
    };
    for (const [name, script] of Object.entries(scripts)) {
      await writeFile(this.#life(name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    }
    await this.configure({});
    this.installer = menderInstaller(this.#options());
  }

  #options(): MenderInstallerOptions {
    return {
      command: [this.#life('mender'), ...this.#flags()],
      config: this.#life('mender.conf'),
      fallbackConfig: this.#life('none.conf'),
      booted: this.#booted,
      stream: this.streams,
    };
  }

  #flags(): readonly string[] {
    return ['--config', this.#life('mender.conf'), '--data', this.file('data'), '--no-syslog'];
  }

  #life(name: string): string {
    return this.file(path.join(`life-${this.#lives}`, name));
  }

  /** The folder below `/` that ours is in. */
  #top(): string {
    return this.directory.split('/')[1] as string;
  }

  /** A file system with this version, and what is needed to run the client in it. */
  async #system(version: string): Promise<string> {
    const file = this.file(`${version}.ext4`);
    const tree = this.file(`trees/${version}`);
    if (await readFile(file).catch(() => undefined)) return file;
    for (const name of ['usr', 'dev', 'proc', 'etc/mender', this.#top()]) {
      await mkdir(path.join(tree, name), { recursive: true });
    }
    for (const name of ['bin', 'lib', 'lib64']) {
      await symlink(`usr/${name}`, path.join(tree, name));
    }
    await writeFile(path.join(tree, 'etc/mender/artifact_info'), `artifact_name=${version}\n`);
    await writeFile(path.join(tree, 'content'), imageOf(2_500_000, version.length));
    await writeFile(file, '');
    const how = ['-q', '-t', 'ext4', '-O', '^has_journal', '-d', tree, file, '4M'];
    await runWell('mke2fs', how);
    this.#versions.set(sha256(await readFile(file)), version);
    return file;
  }

  async #endCalls(): Promise<void> {
    const { stdout } = await run('ps', ['--ppid', String(process.pid), '-o', 'pid=,args=']);
    for (const line of stdout.split('\n').filter((it) => it.includes(this.directory))) {
      try {
        process.kill(-Number.parseInt(line, 10), 'SIGKILL');
      } catch {
        // it has ended
      }
    }
  }
}
