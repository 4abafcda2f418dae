import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { swupdateInstaller } from '../../lib/install/backends/swupdate';
import type { Installer } from '../../lib/install/installer';
import { grubChooser } from './boot-choosers';
import { sha256 } from './image';
import { type InstallerMachine, imageFile, type TestImage } from './installer-contract';
import { type Running, run, runWell, start } from './process';
import { type BootChooser, imageBytes, makeFirmwareKey, SlotFolder } from './slot-machine';

/** A machine with a real SWUpdate daemon over two files; what GRUB does at a start is played. */
export class SwupdateMachine implements InstallerMachine {
  installer: Installer;
  private restarting: Promise<void> | undefined;

  private constructor(
    private readonly folder: SlotFolder,
    private readonly chooser: BootChooser,
    private daemon: Running,
  ) {
    this.installer = this.#installer();
  }

  static async open(): Promise<SwupdateMachine> {
    const folder = await SlotFolder.open();
    await mkdir(folder.file('sockets'));
    await makeFirmwareKey(folder, ['-addext', 'extendedKeyUsage=emailProtection']);
    return new SwupdateMachine(folder, await grubChooser(folder), await startDaemon(folder));
  }

  restart(): Promise<void> {
    this.restarting = this.#restart();
    return this.restarting;
  }

  async #restart(): Promise<void> {
    await endClients();
    await this.daemon.stop('SIGKILL');
    this.folder.booted = await this.chooser.start();
    this.daemon = await startDaemon(this.folder);
    this.installer = this.#installer();
  }

  image(version: string): Promise<TestImage> {
    return this.#swu(version, '1.0');
  }

  wrongImage(): Promise<TestImage> {
    return this.#swu('9.9.9', '7.0');
  }

  versionIn(slot: string): Promise<string | undefined> {
    return this.folder.versionIn(slot);
  }

  async close(): Promise<void> {
    await this.restarting; // nobody else may wait for the last one
    await this.daemon.stop('SIGKILL');
    await this.folder.remove();
  }

  /** Another installer of this machine, as somebody may have set it up. */
  withSlots(slots: Readonly<Record<string, string>>): Installer {
    return this.#installer(slots);
  }

  stopDaemon(): Promise<void> {
    return this.daemon.stop('SIGKILL');
  }

  async #swu(version: string, hardware: string): Promise<TestImage> {
    const directory = this.folder.file(`swu-${version}`);
    await mkdir(directory, { recursive: true });
    const image = imageBytes(version);
    await writeFile(path.join(directory, 'rootfs.img'), image);
    await writeFile(
      path.join(directory, 'sw-description'),
      descriptionOf(version, hardware, sha256(image), (slot) => this.folder.device(slot)),
    );
    await sign(this.folder, directory);
    const file = this.folder.file(`${version}.swu`);
    const files = 'sw-description\\nsw-description.sig\\nrootfs.img\\n';
    await runWell('sh', ['-c', `printf '${files}' | cpio --quiet -o -H crc > "$0"`, file], {
      cwd: directory,
    });
    return imageFile(version, file);
  }

  #installer(slots = { A: 'stable,copyA', B: 'stable,copyB' } as Record<string, string>) {
    return swupdateInstaller({
      slots,
      environment: this.chooser.environment,
      booted: this.folder.booted,
      socketDirectory: this.folder.file('sockets'),
    });
  }
}

/** Ours that are still there: one that lives on would ask the next daemon for the old image. */
async function endClients(): Promise<void> {
  const { stdout } = await run('ps', ['--ppid', String(process.pid), '-o', 'pid=,comm=']);
  for (const line of stdout.split('\n').filter((it) => it.includes('swupdate-clien'))) {
    try {
      process.kill(Number.parseInt(line, 10), 'SIGKILL');
    } catch {
      // it has ended
    }
  }
}

async function sign(folder: SlotFolder, directory: string): Promise<void> {
  const signer = ['-signer', folder.file('cert.pem'), '-inkey', folder.file('key.pem')];
  const [input, output] = ['sw-description', 'sw-description.sig'];
  const form = ['-outform', 'DER', '-nosmimecap', '-binary'];
  await runWell('openssl', ['cms', '-sign', '-in', input, '-out', output, ...signer, ...form], {
    cwd: directory,
  });
}

function descriptionOf(
  version: string,
  hardware: string,
  digest: string,
  device: (slot: string) => string,
): string {
  const copies = ['A', 'B'].map(
    (slot) => `copy${slot}: { images: ( { filename = "rootfs.img"; device = "${device(slot)}";
      type = "raw"; installed-directly = true; sha256 = "${digest}"; } ); };`,
  );
  return `software = { version = "${version}"; hardware-compatibility: [ "${hardware}" ];
    stable: { ${copies.join('\n')} }; }\n`;
}

async function startDaemon(folder: SlotFolder): Promise<Running> {
  const config = folder.file('swupdate.cfg');
  const key = folder.file('cert.pem');
  await writeFile(config, `globals : { loglevel = 5; public-key-file = "${key}"; };\n`);
  const selections = ['-e', 'stable,copyB', '-q', 'stable,copyA', '-q', 'stable,copyB'];
  const boot = ['-H', 'board:1.0', '-B', 'none'];
  // Its output is a pipe's, which it would keep to itself until there is more of it.
  return start('stdbuf', ['-oL', 'swupdate', '-f', config, ...boot, ...selections], {
    ready: /(?=[\s\S]*sockinstctrl)(?=[\s\S]*Started chunks_downloader)/,
    env: { ...process.env, TMPDIR: folder.file('sockets') },
    cwd: folder.directory,
  });
}
