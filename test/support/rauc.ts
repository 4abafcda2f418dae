import { existsSync } from 'node:fs';
import { chmod, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { raucInstaller } from '../../lib/install/backends/rauc';
import type { Installer } from '../../lib/install/installer';
import { grubChooser } from './boot-choosers';
import { type InstallerMachine, imageFile, type TestImage } from './installer-contract';
import { type Running, runWell, start } from './process';
import { type BootChooser, imageBytes, makeFirmwareKey, SlotFolder } from './slot-machine';

/**
 * A machine with a real RAUC service on a bus of its own over two files, and a boot loader of its
 * own that gives each slot three tries; what it does at a start is played. (RAUC's GRUB gives one.)
 */
export class RaucMachine implements InstallerMachine {
  installer: Installer;

  private constructor(
    private readonly folder: SlotFolder,
    private readonly chooser: BootChooser,
    private readonly activates: boolean,
    private readonly bus: Running,
    private service: Running,
  ) {
    this.installer = this.#installer();
  }

  static async open(activates: boolean): Promise<RaucMachine> {
    const folder = await SlotFolder.open();
    const chooser = await grubChooser(folder);
    await configure(folder, activates);
    const bus = await startBus(folder);
    return new RaucMachine(folder, chooser, activates, bus, await startService(folder));
  }

  async restart(): Promise<void> {
    await this.stopService();
    this.folder.booted = await this.chooser.start();
    this.service = await startService(this.folder);
    this.installer = this.#installer();
  }

  image(version: string): Promise<TestImage> {
    return makeBundle(this.folder, version, 'iotkit-test');
  }

  wrongImage(): Promise<TestImage> {
    return makeBundle(this.folder, '9.9.9', 'another-board');
  }

  /** By the name of RAUC. */
  versionIn(slot: string): Promise<string | undefined> {
    return this.folder.versionIn(slot === 'rootfs.0' ? 'A' : 'B');
  }

  stopService(): Promise<void> {
    return killService(this.folder, this.service);
  }

  /** Installations wait before they write, until what is returned is called. */
  async hold(): Promise<() => Promise<void>> {
    const hold = this.folder.file('hold');
    await runWell('mkfifo', [hold]);
    return async () => {
      // For both ways it opens at once, whether somebody waits there or not; who comes later finds none.
      const fifo = await open(hold, 'r+');
      await rm(hold);
      await fifo.close();
    };
  }

  async close(): Promise<void> {
    await this.stopService();
    await this.bus.stop();
    await this.folder.remove();
  }

  #installer(): Installer {
    return raucInstaller({ activates: this.activates, bus: addressOf(this.folder) });
  }
}

/** A bundle with an image of a slot, signed with the key of the folder; the same version has the same bytes. */
export async function makeBundle(
  folder: SlotFolder,
  version: string,
  compatible: string,
): Promise<TestImage> {
  const directory = folder.file(`bundle-${version}`);
  const file = folder.file(`${version}.raucb`);
  if (existsSync(file)) return imageFile(version, file);
  await mkdir(directory);
  await writeFile(path.join(directory, 'rootfs.img'), imageBytes(version));
  await writeFile(path.join(directory, 'manifest.raucm'), manifestOf(version, compatible));
  const key = ['--cert', folder.file('cert.pem'), '--key', folder.file('key.pem')];
  await runWell('rauc', [...key, 'bundle', directory, file]);
  return imageFile(version, file);
}

const manifestOf = (version: string, compatible: string): string => `[update]
compatible=${compatible}
version=${version}
[bundle]
format=plain
[image.rootfs]
filename=rootfs.img
`;

async function configure(folder: SlotFolder, activates: boolean): Promise<void> {
  for (const name of ['mnt', 'data']) await mkdir(folder.file(name));
  const slot = (index: number, name: string): string => `[slot.rootfs.${index}]
device=${folder.device(name)}
type=raw
bootname=${name}
`;
  await writeFile(
    folder.file('system.conf'),
    `[system]
compatible=iotkit-test
bootloader=custom
activate-installed=${activates}
statusfile=${folder.file('data/slots.status')}
bundle-formats=plain
mountprefix=${folder.file('mnt')}
[keyring]
path=${folder.file('cert.pem')}
[handlers]
pre-install=${folder.file('pre-install.sh')}
bootloader-custom-backend=${folder.file('boot.sh')}
${slot(0, 'A')}${slot(1, 'B')}`,
  );
  const hold = folder.file('hold');
  const wait = `#!/bin/sh\nif [ -p '${hold}' ]; then cat '${hold}' || true; fi\n`;
  await writeFile(folder.file('pre-install.sh'), wait, { mode: 0o755 });
  await writeFile(folder.file('boot.sh'), bootScript(folder.file('grubenv')), { mode: 0o755 });
  await makeFirmwareKey(folder);
}

/** What RAUC asks and changes, in the environment that {@link grubChooser} starts by. */
const bootScript = (grubenv: string): string => `#!/bin/sh -e
eval "$(grub-editenv '${grubenv}' list | sed 's/=/="/; s/$/"/')"
state() {
  eval "ok=\\$$1_OK tries=\\$$1_TRY"
  if [ "$ok" = 1 ] && [ "$tries" -lt 3 ]; then echo good; else echo bad; fi
}
case $1 in
  get-primary)
    for slot in $ORDER; do
      if [ "$(state $slot)" = good ]; then echo $slot; exit; fi
    done
    exit 1;;
  set-primary)
    other=A; [ $2 = A ] && other=B
    grub-editenv '${grubenv}' set "ORDER=$2 $other" $2_OK=1 $2_TRY=0;;
  get-state) state $2;;
  set-state)
    ok=0; [ $3 = good ] && ok=1
    grub-editenv '${grubenv}' set $2_OK=$ok $2_TRY=0;;
esac
`;

/** Of the bus, which has its socket in the folder. */
export function addressOf(folder: SlotFolder): string {
  return `unix:path=${folder.file('bus')}`;
}

/** A bus that everybody may use. */
export async function startBus(folder: SlotFolder): Promise<Running> {
  await chmod(folder.directory, 0o755);
  const config = folder.file('bus.conf');
  await writeFile(
    config,
    `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
 <type>system</type>
 <listen>${addressOf(folder)}</listen>
 <auth>EXTERNAL</auth>
 <policy context="default">
  <allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/><allow user="*"/>
 </policy>
</busconfig>
`,
  );
  const args = ['--config-file', config, '--nofork', '--nopidfile', '--print-address'];
  return start('dbus-daemon', args, { ready: /unix:path=/ });
}

/** The service by `system.conf` of the folder, in the booted slot; `more` is for its environment. */
export async function startService(
  folder: SlotFolder,
  more: NodeJS.ProcessEnv = {},
): Promise<Running> {
  const config = ['-c', folder.file('system.conf'), `--mount=${folder.file('mnt')}`];
  const boot = `--override-boot-slot=${folder.booted}`;
  return start('rauc', [...config, 'service', boot], {
    ready: /name '\S+' acquired/,
    env: {
      ...process.env,
      G_MESSAGES_DEBUG: 'all',
      DBUS_SYSTEM_BUS_ADDRESS: addressOf(folder),
      ...more,
    },
  });
}

/** Ends the service as a power cut does, wherever it is. */
export async function killService(folder: SlotFolder, service: Running): Promise<void> {
  await service.stop('SIGKILL');
  // What a service that was killed in the middle leaves mounted.
  const mounts = await readFile('/proc/self/mounts', 'utf8');
  const mounted = folder.file('mnt/bundle');
  if (mounts.includes(mounted)) await runWell('umount', [mounted]);
  const loops = await runWell('losetup', ['--list', '--noheadings', '-O', 'NAME,BACK-FILE']);
  for (const line of loops.split('\n').filter((it) => it.includes(folder.directory))) {
    await runWell('losetup', ['--detach', line.split(' ')[0] as string]);
  }
}
