/** A directory with releases, as a directory installer keeps it. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DirectoriesInstaller } from '../../lib/install/backends/directories';
import type { Installer } from '../../lib/install/installer';
import { given, type InstallerMachine, type TestImage } from './installer-contract';

/** A machine whose supervisor starts what `current` says: it writes its version into `running`. */
export class Deployment implements InstallerMachine {
  readonly folder = mkdtempSync(join(tmpdir(), 'iotkit-releases-'));
  readonly root = join(this.folder, 'app');
  readonly restartScript = `cat ${this.root}/current/version > ${this.folder}/running`;
  installer!: Installer;
  #starts = 0;

  constructor(version = '1.0.0') {
    mkdirSync(join(this.root, 'releases', version), { recursive: true });
    writeFileSync(join(this.root, 'releases', version, 'version'), version);
    symlinkSync(`releases/${version}`, join(this.root, 'current'));
    this.#start();
  }

  #start(): void {
    this.#starts += 1;
    const bootId = `boot-${this.#starts}`;
    const restart = ['sh', '-c', this.restartScript];
    this.installer = new DirectoriesInstaller({ root: this.root, restart }, async () => bootId);
  }

  async restart(): Promise<void> {
    // The kernel has let go of the locks of whoever was there; here an old call may still hold one.
    for (const name of ['install.lock', 'state.lock'])
      rmSync(join(this.root, name), { force: true });
    this.#start();
  }

  /** `--format=ustar`, which is the same whenever it is made. */
  async image(version: string, ...options: string[]): Promise<TestImage> {
    const source = join(this.folder, `source-${version}`);
    mkdirSync(join(source, 'lib'), { recursive: true });
    writeFileSync(join(source, 'version'), version);
    writeFileSync(join(source, 'lib', 'data'), Buffer.alloc(100_000, version));
    const path = join(this.folder, `${version}.tar`);
    execFileSync('tar', ['-c', ...options, '-f', path, '-C', source, '.']);
    return { version, path, bytes: readFileSync(path) };
  }

  async versionIn(slot: string): Promise<string | undefined> {
    try {
      return readFileSync(join(this.root, slot, 'version'), 'utf8');
    } catch {
      return undefined;
    }
  }

  async wrongImage(): Promise<TestImage> {
    const path = join(this.folder, 'wrong');
    writeFileSync(path, 'no archive at all');
    return { version: '2.0.0', path, bytes: readFileSync(path) };
  }

  /** Installs a version and starts it: it is on trial. */
  async update(version: string): Promise<string> {
    const { slot } = await this.installer.install(given(await this.image(version), 'stream'));
    await this.installer.activate(slot);
    await this.installer.reboot();
    return slot;
  }

  /** Somebody makes `current` another link. */
  linkTo(target: string): void {
    rmSync(join(this.root, 'current'));
    symlinkSync(target, join(this.root, 'current'));
  }

  get running(): string {
    return readFileSync(join(this.folder, 'running'), 'utf8');
  }

  async close(): Promise<void> {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
