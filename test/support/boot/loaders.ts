/**
 * The boot loaders that the machine can have, each the real one with the configuration that docs/install/slots.md
 * gives: what is on the disk of it, what qemu starts, and which slot it would take.
 */
import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, open, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { grubVariables } from '../boot-choosers';
import { runWell } from '../process';
import type { Partition, Place } from './image';
import { fatModules } from './parts';

const repository = path.resolve(__dirname, '..', '..', '..');
const examples = path.join(repository, 'examples');
const guest = path.join(__dirname, 'guest');
const SECTOR = 512;

export type LoaderName = 'grub' | 'u-boot' | 'systemd-boot';

/** The disk of a machine that is off. */
export interface OffDisk {
  readonly file: string;
  place(partition: Partition): Place;
  read(offset: number, size: number): Buffer;
}

/** What a loader finds at the next start. */
export interface NextStart {
  /** The slots that may start, in their order. */
  readonly order: readonly string[];
  /** Whether one of them has still to prove itself. */
  readonly isTrial: boolean;
  /** What it goes by. */
  readonly variables: Readonly<Record<string, string | undefined>>;
}

export interface Loader {
  readonly name: LoaderName;
  /** Of this machine, what the images are made of. */
  readonly sources: readonly string[];
  /** What qemu starts instead of its BIOS. */
  readonly firmware: readonly string[];
  readonly boot: { readonly fileSystem: 'ext4' | 'vfat'; readonly typeCode: string };
  /** Modules of the kernel and programs that the system needs for it. */
  readonly modules: readonly string[];
  readonly programs: readonly string[];
  /** The option `environment` of the installer. */
  readonly environment: object;
  /** Makes what is on the boot partition beside the kernel; `work` is for what is not. */
  fill(boot: string, work: string): Promise<void>;
  /** Makes what is outside of the file systems. */
  install(disk: string, place: (partition: Partition) => Place, work: string): Promise<void>;
  next(disk: OffDisk): NextStart;
}

const commandLine = 'quiet panic=1 no_timer_check mitigations=off nokaslr';

const grubFiles = '/usr/lib/grub/i386-pc';
const grubConfig = path.join(examples, 'boot', 'grub.cfg');
const grubModules =
  'biosdisk part_gpt ext2 linux normal loadenv test echo serial terminal reboot boot iorw'.split(
    ' ',
  );

const grub: Loader = {
  name: 'grub',
  sources: [grubConfig, path.join(grubFiles, 'ext2.mod')],
  firmware: [],
  boot: { fileSystem: 'ext4', typeCode: '8300' },
  modules: [],
  programs: [],
  environment: { loader: 'grub', file: '/boot/grub/grubenv' },

  async fill(boot) {
    await mkdir(path.join(boot, 'grub'));
    await copyFile(grubConfig, path.join(boot, 'grub', 'grub.cfg'));
    const environment = path.join(boot, 'grub', 'grubenv');
    await runWell('grub-editenv', [environment, 'create']);
    const initial = ['ORDER=A B', 'A_OK=1', 'A_TRY=0', 'B_OK=0', 'B_TRY=0'];
    await runWell('grub-editenv', [environment, 'set', ...initial]);
  },

  /** What grub-install does, on a file: the first sector, and the rest in a partition of its own. */
  async install(disk, place, work) {
    const core = path.join(work, 'core.img');
    const early = path.join(guest, 'early.cfg'); // whose parser knows no comments
    const prefix = '(hd0,gpt2)/grub';
    await runWell('grub-mkimage', [
      ...['-O', 'i386-pc', '-p', prefix, '-c', early, '-o', core],
      ...grubModules,
    ]);
    const start = place('bios').offset / SECTOR;
    const boot = await readFile(path.join(grubFiles, 'boot.img'));
    boot.writeBigUInt64LE(BigInt(start), 0x5c); // where the rest is
    boot.writeUInt16LE(0x9090, 0x66); // from the disk that the BIOS names
    const rest = await readFile(core);
    const sectors = Math.ceil(rest.length / SECTOR);
    // The list of blocks at the end of its first sector: where, how many, into which segment.
    rest.writeBigUInt64LE(BigInt(start + 1), 0x1f4);
    rest.writeUInt16LE(sectors - 1, 0x1fc);
    rest.writeUInt16LE(0x820, 0x1fe);
    const handle = await open(disk, 'r+');
    try {
      await handle.write(boot, 0, 440, 0); // the table of partitions follows
      await handle.write(rest, 0, rest.length, start * SECTOR);
    } finally {
      await handle.close();
    }
  },

  next(disk) {
    const { offset, size } = disk.place('boot');
    const variables = grubVariables(grubenvIn(disk.read(offset, size)).toString('latin1'));
    const order = (variables.ORDER ?? '').split(' ');
    return {
      order: order.filter((slot) => variables[`${slot}_OK`] === '1'),
      isTrial: variables.iotkit_trial !== undefined,
      variables,
    };
  },
};

/** GRUB's environment block, in the bytes of its partition. */
export function grubenvIn(bytes: Buffer): Buffer {
  const head = Buffer.from('# GRUB Environment Block\n');
  const found = bytes.indexOf(head);
  if (found < 0 || bytes.indexOf(head, found + 1) >= 0) throw new Error('which is grubenv?');
  return bytes.subarray(found, found + 1024);
}

const uboot = '/usr/lib/u-boot/qemu-x86/u-boot.rom';
const ubootScript = path.join(examples, 'raspberry-pi', 'boot.cmd');
const ENVIRONMENT_SIZE = 0x4000;

/**
 * U-Boot as Debian builds it for qemu keeps no environment. So the script reads and writes it, where fw_setenv has it:
 * one copy, at the beginning of a partition that nobody else uses on this machine. For the rest it is the example's.
 */
async function ubootScriptOf(): Promise<string> {
  const script = await readFile(ubootScript, 'latin1');
  const hexadecimal = ENVIRONMENT_SIZE.toString(16);
  const blocks = (ENVIRONMENT_SIZE / SECTOR).toString(16);
  const names = 'BOOT_ORDER BOOT_A_LEFT BOOT_B_LEFT iotkit_trial iotkit_bad board';
  const [choosing, starting] = script.split(/^if test .* = B; .*$/m);
  if (starting === undefined) throw new Error(`${ubootScript} has changed`);
  const write = `virtio write \${loadaddr} \${envstart} ${blocks}`;
  const save = `env export -c -s ${hexadecimal} \${loadaddr} ${names}; ${write}`;
  // The kernel unpacks itself over U-Boot's own place for the initramfs.
  const initramfs = '8000000';
  return `part start virtio 0 1 envstart
virtio read \${loadaddr} \${envstart} ${blocks}
env import -c \${loadaddr} ${hexadecimal}
${choosing?.replace(/^( *)saveenv$/gm, `$1${save}`)}
if test "\${chosen}" = B; then setenv label system-b; else setenv label system-a; fi
echo "starting slot \${chosen}"
setenv bootargs "root=PARTLABEL=\${label} ro console=ttyS0 ${commandLine} iotkit.slot=\${chosen}"
load virtio 0:2 \${kernel_addr_r} vmlinuz
setenv kernelsize \${filesize}
load virtio 0:2 ${initramfs} initrd
zboot \${kernel_addr_r} \${kernelsize} ${initramfs} \${filesize}
`;
}

const ubootLoader: Loader = {
  name: 'u-boot',
  sources: [ubootScript, uboot, '/usr/bin/fw_setenv'],
  firmware: ['-bios', uboot],
  boot: { fileSystem: 'ext4', typeCode: '8300' },
  modules: [],
  programs: ['/usr/bin/fw_printenv', '/usr/bin/fw_setenv'],
  environment: { loader: 'u-boot', singleCopy: 'warn' },

  async fill(boot, work) {
    const script = path.join(work, 'boot.cmd');
    await writeFile(script, await ubootScriptOf());
    const made = path.join(boot, 'boot.scr');
    const type = ['-A', 'x86', '-T', 'script', '-C', 'none'];
    await runWell('mkimage', [...type, '-d', script, made]);
  },

  async install(disk, place, work) {
    await runWell('sgdisk', ['--attributes=2:set:2', disk]); // where U-Boot looks for its script
    const config = path.join(work, 'fw_env.config');
    const { offset } = place('bios');
    await writeFile(config, `${disk} ${offset} ${ENVIRONMENT_SIZE}\n`);
    const initial = path.join(work, 'initial.env');
    await writeFile(initial, 'BOOT_ORDER=A B\nBOOT_A_LEFT=3\nBOOT_B_LEFT=0\n');
    await runWell('fw_setenv', ['-c', config, '-f', initial, 'board', 'test']);
  },

  next(disk) {
    const block = disk.read(disk.place('bios').offset, ENVIRONMENT_SIZE).subarray(4);
    const text = block.toString('latin1', 0, block.indexOf('\0\0'));
    const variables: NextStart['variables'] = Object.fromEntries(
      text.split('\0').map((line) => line.split('=', 2)),
    );
    const order = (variables.BOOT_ORDER ?? '').split(' ');
    return {
      order: order.filter((slot) => Number(variables[`BOOT_${slot}_LEFT`]) > 0),
      isTrial: variables.iotkit_trial !== undefined,
      variables,
    };
  },
};

const systemdBoot = '/usr/lib/systemd/boot/efi/systemd-bootx64.efi';
const ovmf = '/usr/share/ovmf/OVMF.fd';

const systemdBootLoader: Loader = {
  name: 'systemd-boot',
  sources: [systemdBoot, ovmf],
  firmware: ['-bios', ovmf],
  boot: { fileSystem: 'vfat', typeCode: 'ef00' },
  modules: fatModules,
  programs: [],
  environment: { loader: 'systemd-boot', entries: '/boot/loader/entries' },

  async fill(boot) {
    const entries = path.join(boot, 'loader', 'entries');
    await mkdir(path.join(boot, 'EFI', 'BOOT'), { recursive: true });
    await mkdir(entries, { recursive: true });
    await copyFile(systemdBoot, path.join(boot, 'EFI', 'BOOT', 'BOOTX64.EFI'));
    await writeFile(path.join(boot, 'loader', 'loader.conf'), 'timeout 0\n');
    const entry = (slot: string): string => `title ${slot}
linux /vmlinuz
initrd /initrd
options root=PARTLABEL=system-${slot.toLowerCase()} ro console=ttyS0 ${commandLine} iotkit.slot=${slot}
`;
    await writeFile(path.join(entries, 'iotkit-1-A.conf'), entry('A'));
    await writeFile(path.join(entries, 'iotkit-0-B.conf.off'), entry('B'));
  },

  async install() {},

  next(disk) {
    const partition = `${disk.file}@@${disk.place('boot').offset}`;
    const listed = execFileSync('mdir', ['-b', '-i', partition, '::/loader/entries'], {
      encoding: 'utf8',
    });
    const names = listed.split('\n').map((line) => path.posix.basename(line.trim()));
    const entries = names.flatMap((name) => {
      const [, number, slot = '', counted] = /^iotkit-(\d+)-(\w+)(\+.*)?\.conf$/.exec(name) ?? [];
      return number === undefined ? [] : [{ number: Number(number), slot, counted }];
    });
    return {
      order: entries.sort((a, b) => b.number - a.number).map(({ slot }) => slot),
      isTrial: entries.some(({ counted }) => counted !== undefined),
      variables: { entries: names.join(' ') },
    };
  },
};

export const loaders: Readonly<Record<LoaderName, Loader>> = {
  grub,
  'u-boot': ubootLoader,
  'systemd-boot': systemdBootLoader,
};
