import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { slotsInstaller } from '../../lib/install/backends/slots';
import type { EnvironmentOption } from '../../lib/install/boot/options';
import type { Installer } from '../../lib/install/installer';
import { imageOf, sha256 } from './image';
import { type InstallerMachine, imageFile, type TestImage } from './installer-contract';
import { runWell } from './process';

const SLOT_SIZE = 4 * 1024 * 1024;

/** What chooses the slot at each start, and counts the tries: a boot loader, or one's script. */
export interface BootChooser {
  readonly environment: EnvironmentOption;
  /** One start: counts, and says which slot it takes. */
  start(): Promise<string>;
}

/** A folder with the two slots of a machine as files; `A` holds version 1.0.0, and is booted. */
export class SlotFolder {
  booted = 'A';

  private constructor(readonly directory: string) {}

  static async open(): Promise<SlotFolder> {
    const folder = new SlotFolder(await mkdtemp(path.join(tmpdir(), 'iotkit-slots-')));
    await writeFile(folder.device('A'), imageBytes('1.0.0'));
    await writeFile(folder.device('B'), '');
    for (const slot of ['A', 'B']) await truncate(folder.device(slot), SLOT_SIZE);
    return folder;
  }

  file(name: string): string {
    return path.join(this.directory, name);
  }

  device(slot: string): string {
    return this.file(`slot-${slot}.img`);
  }

  /** The version that the slot holds whole; undefined: none. */
  async versionIn(slot: string): Promise<string | undefined> {
    const bytes = await readFile(this.device(slot));
    const [, version, size, digest] = /^iotkit (\S+) (\d+) (\w+)\n/.exec(head(bytes)) ?? [];
    if (version === undefined) return undefined;
    const from = bytes.indexOf(10) + 1;
    return sha256(bytes.subarray(from, from + Number(size))) === digest ? version : undefined;
  }

  async remove(): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** An image of a whole slot: a line that says what it is, then bytes. */
export function imageBytes(version: string): Buffer {
  const body = imageOf(2_500_000 + version.length * 1000 + Number(version.replaceAll('.', '')));
  return Buffer.concat([Buffer.from(`iotkit ${version} ${body.length} ${sha256(body)}\n`), body]);
}

/** A key that images are signed with, `key.pem`, and its certificate, `cert.pem`. */
export async function makeFirmwareKey(
  folder: SlotFolder,
  usage: readonly string[] = [],
): Promise<void> {
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
  const files = ['-keyout', folder.file('key.pem'), '-out', folder.file('cert.pem')];
  const subject = ['-subj', '/O=test/CN=firmware', '-days', '2'];
  await runWell('openssl', ['req', '-x509', ...curve, ...files, ...subject, ...usage]);
}

/** A machine with the installer `slots` over files, and a boot loader that the test plays. */
export class SlotMachine implements InstallerMachine {
  installer: Installer;

  private constructor(
    private readonly folder: SlotFolder,
    private readonly chooser: BootChooser,
  ) {
    this.installer = this.#installer();
  }

  static async open(boot: (folder: SlotFolder) => Promise<BootChooser>): Promise<SlotMachine> {
    const folder = await SlotFolder.open();
    return new SlotMachine(folder, await boot(folder));
  }

  async restart(): Promise<void> {
    this.folder.booted = await this.chooser.start();
    this.installer = this.#installer();
  }

  async image(version: string): Promise<TestImage> {
    const file = this.folder.file(`${version}.img`);
    await writeFile(file, imageBytes(version));
    return imageFile(version, file);
  }

  versionIn(slot: string): Promise<string | undefined> {
    return this.folder.versionIn(slot);
  }

  close(): Promise<void> {
    return this.folder.remove();
  }

  #installer(): Installer {
    const { folder } = this;
    return slotsInstaller({
      slots: { A: folder.device('A'), B: folder.device('B') },
      environment: this.chooser.environment,
      booted: folder.booted,
    });
  }
}

function head(bytes: Buffer): string {
  return bytes.subarray(0, 200).toString('latin1');
}
