/**
 * The disk of a machine with two systems: a boot loader, one kernel for both slots, Node.js and this package as it is
 * built here, over busybox. Made of Debian's packages without mounting anything, and kept in `.cache/boot` as long as
 * its parts stay.
 */
import { createHash, type Hash } from 'node:crypto';
import { existsSync } from 'node:fs';
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { runWell } from '../process';
import { grubenvIn, type Loader, type LoaderName, loaders } from './loaders';
import {
  addModules,
  addon,
  addPackage,
  addProgram,
  busybox,
  dist,
  guest,
  install,
  type Kernel,
  type KernelPackage,
  kernelPackage,
  makeArchive,
  makeFat,
  makeFileSystem,
  unpackKernel,
  virtualModules,
} from './parts';

const repository = path.resolve(__dirname, '..', '..', '..');
const cache = path.join(repository, '.cache', 'boot');

const SECTOR = 512;
const MIB = 1024 * 1024;
const DAY_MS = 86_400_000;
/** Where a partition begins and what it holds, bytes. */
export interface Place {
  readonly offset: number;
  readonly size: number;
}

export type Partition = 'bios' | 'boot' | 'system-a' | 'system-b' | 'data' | 'runtime';

/**
 * `whole`: Node.js is in the slots, so that an image has about 110 MiB. `small`: it is on a partition of its own, and
 * an image has 11 MiB, which is as good for whoever wants to cut the power many times.
 */
export type Layout = 'whole' | 'small';

/** The partitions in their order, MiB; the first begins after the first MiB. */
const layouts: Readonly<Record<Layout, Readonly<Partial<Record<Partition, number>>>>> = {
  whole: { bios: 1, boot: 32, 'system-a': 128, 'system-b': 128, data: 16 },
  small: { bios: 1, boot: 32, 'system-a': 16, 'system-b': 16, data: 16, runtime: 120 },
};

function namesOf(layout: Layout): readonly Partition[] {
  return Object.keys(layouts[layout]) as Partition[];
}

/** Where each partition is. */
function placesOf(layout: Layout): ReadonlyMap<Partition, Place> {
  let offset = MIB;
  return new Map(
    namesOf(layout).map((name) => {
      const place = { offset, size: (layouts[layout][name] ?? 0) * MIB };
      offset += place.size;
      return [name, place] as const;
    }),
  );
}

/** What the image of a slot is for. */
export interface System {
  readonly version: string;
  /** `sick`: its check fails; `dead`: its first program ends; `frozen`: it does nothing, for ever. */
  readonly health: 'well' | 'sick' | 'dead' | 'frozen';
}

/** The images, made once for all machines. */
export class BootImages {
  readonly #making = new Map<string, Promise<void>>();

  private constructor(
    private readonly folder: string,
    private readonly places: ReadonlyMap<Partition, Place>,
    readonly loader: Loader,
  ) {}

  static async make(layout: Layout, loaderName: LoaderName = 'grub'): Promise<BootImages> {
    const kernel = await kernelPackage();
    const loader = loaders[loaderName];
    const folder = path.join(cache, `${layout}-${loaderName}-${await keyOf(kernel, loader)}`);
    const places = placesOf(layout);
    const images = new BootImages(folder, places, loader);
    if (existsSync(folder)) return images;
    await mkdir(cache, { recursive: true });
    const aside = await mkdtemp(path.join(cache, 'making-'));
    try {
      await new Making(aside, layout, places, loader).all(kernel);
      await removeOld();
      // Another process may have made the same meanwhile.
      await rename(aside, folder).catch((error: unknown) => {
        if (!existsSync(folder)) throw error;
      });
    } finally {
      await rm(aside, { recursive: true, force: true });
    }
    return images;
  }

  /** The bytes of a slot, as an update brings them. */
  async system(system: System): Promise<string> {
    const file = path.join(this.folder, `${system.version}-${system.health}.img`);
    if (!existsSync(file)) {
      // Of several that want it at once, one makes it.
      const making =
        this.#making.get(file) ?? makeSystem(path.join(this.folder, 'root'), system, file);
      this.#making.set(file, making);
      await making;
    }
    return file;
  }

  /** Makes the disk of a machine that has version 1.0.0 in A, and `data` on its data partition. */
  async disk(file: string, data: string): Promise<void> {
    const base = path.join(this.folder, 'disk.img');
    await runWell('cp', ['--sparse=always', base, file]);
    const image = `${file}.data`;
    const { offset, size } = this.place('data');
    await makeFileSystem(image, size, data);
    await copyInto(file, offset, image);
    await rm(image);
  }

  /** Where a partition is on a disk. */
  place(partition: Partition): Place {
    return expectPlace(this.places, partition);
  }

  /** Where GRUB's environment block is on a disk. */
  async grubenv(): Promise<Place> {
    const bytes = await readFile(path.join(this.folder, 'boot.img'));
    const { byteOffset, length } = grubenvIn(bytes);
    return { offset: this.place('boot').offset + byteOffset - bytes.byteOffset, size: length };
  }
}

function expectPlace(places: ReadonlyMap<Partition, Place>, partition: Partition): Place {
  const place = places.get(partition);
  if (place === undefined) throw new Error(`there is no partition ${partition}`);
  return place;
}

/** What nobody has made today; another process may use what is newer. */
async function removeOld(): Promise<void> {
  for (const name of await readdir(cache)) {
    const { mtimeMs } = await stat(path.join(cache, name));
    if (Date.now() - mtimeMs > DAY_MS) await rm(path.join(cache, name), { recursive: true });
  }
}

async function keyOf({ name, version }: KernelPackage, { sources }: Loader): Promise<string> {
  const hash = createHash('sha256').update(`${name} ${version}\n`);
  const { size, mtimeMs } = await stat(process.execPath);
  hash.update(`${process.execPath} ${process.version} ${size} ${mtimeMs}\n`);
  const own = ['image.ts', 'loaders.ts', 'parts.ts'].map((name) => path.join(__dirname, name));
  for (const file of [...own, ...sources, busybox, addon]) {
    hash.update(await readFile(file));
  }
  await addFolder(hash, guest);
  await addFolder(hash, dist);
  return hash.digest('hex').slice(0, 16);
}

async function addFolder(hash: Hash, folder: string): Promise<void> {
  const files = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.map'))
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name));
  for (const file of files.sort()) {
    hash.update(`${path.relative(folder, file)}\n`).update(await readFile(file));
  }
}

/** Makes the parts, each in a file or folder of its own below `folder`. */
class Making {
  constructor(
    private readonly folder: string,
    private readonly layout: Layout,
    private readonly places: ReadonlyMap<Partition, Place>,
    private readonly loader: Loader,
  ) {}

  async all(kernel: KernelPackage): Promise<void> {
    await this.#boot(kernel);
    await this.#root();
    await this.#disk();
    await rm(this.#file('kernel'), { recursive: true });
  }

  #place(partition: Partition): Place {
    return expectPlace(this.places, partition);
  }

  #file(...name: string[]): string {
    return path.join(this.folder, ...name);
  }

  /** The boot partition: kernel, initramfs, and what the loader has there. */
  async #boot(named: KernelPackage): Promise<void> {
    await mkdir(this.#file('kernel'));
    const kernel = await unpackKernel(named, this.#file('kernel'));
    await mkdir(this.#file('boot'));
    await copyFile(kernel.file, this.#file('boot', 'vmlinuz'));
    await this.#initramfs(kernel);
    await this.loader.fill(this.#file('boot'), this.folder);
    const make = this.loader.boot.fileSystem === 'vfat' ? makeFat : makeFileSystem;
    await make(this.#file('boot.img'), this.#place('boot').size, this.#file('boot'));
  }

  async #initramfs(kernel: Kernel): Promise<void> {
    const root = this.#file('initramfs');
    for (const folder of ['bin', 'dev', 'proc', 'sys', 'new']) {
      await mkdir(path.join(root, folder), { recursive: true });
    }
    await copyFile(busybox, path.join(root, 'bin', 'busybox'));
    const programs = ['sh', 'mount', 'umount', 'insmod', 'sed', 'mkdir', 'ln', 'switch_root'];
    for (const name of programs) await symlink('busybox', path.join(root, 'bin', name));
    await install(path.join(guest, 'initramfs-init'), path.join(root, 'init'), 0o755);
    await addModules(root, kernel, [...virtualModules, ...this.loader.modules]);
    const archive = this.#file('initramfs.cpio');
    await makeArchive(root, archive);
    await writeFile(this.#file('boot', 'initrd'), gzipSync(await readFile(archive)));
    await rm(archive);
  }

  /** What both slots have in common. */
  async #root(): Promise<void> {
    const root = this.#file('root');
    const folders = [
      'bin',
      'sbin',
      'dev',
      'proc',
      'sys',
      'tmp',
      'boot',
      'opt',
      'etc',
      'usr/bin',
      'usr/lib',
    ];
    for (const folder of [...folders, 'var/lib/iotkit-ota', 'usr/libexec']) {
      await mkdir(path.join(root, folder), { recursive: true });
    }
    await copyFile(busybox, path.join(root, 'bin', 'busybox'));
    const applets = await runWell(busybox, ['--list-full']);
    for (const applet of applets.split('\n').filter((name) => /^(?:bin|sbin|usr)\//.test(name))) {
      const link = path.join(root, applet);
      if (existsSync(link)) continue;
      await mkdir(path.dirname(link), { recursive: true });
      await symlink('/bin/busybox', link);
    }
    await symlink('/tmp', path.join(root, 'var', 'lock'));
    for (const name of ['inittab', 'fw_env.config']) {
      await install(path.join(guest, name), path.join(root, 'etc', name), 0o644);
    }
    for (const name of ['rc', 'agent']) {
      await install(path.join(guest, name), path.join(root, 'etc', name), 0o755);
    }
    const feeder = path.join(root, 'usr', 'libexec', 'feed-watchdog');
    await runWell('cc', ['-O2', '-static', '-o', feeder, path.join(guest, 'feed-watchdog.c')]);
    await addProgram(root, process.execPath, 'node');
    if (this.layout === 'small') await this.#moveRuntime(path.join(root, 'usr', 'bin', 'node'));
    await addProgram(root, '/usr/bin/flock', 'flock'); // busybox of Debian has none
    await addProgram(root, '/usr/sbin/e2fsck', 'e2fsck');
    for (const file of this.loader.programs) await addProgram(root, file, path.basename(file));
    await addPackage(root);
  }

  /** Node.js on a partition of its own, which both slots mount. */
  async #moveRuntime(node: string): Promise<void> {
    await mkdir(this.#file('runtime'));
    await rename(node, this.#file('runtime', 'node'));
    await symlink('/opt/node', node);
  }

  async #disk(): Promise<void> {
    const disk = this.#file('disk.img');
    const last = [...this.places.values()].at(-1) as Place;
    await writeFile(disk, '');
    await truncate(disk, last.offset + last.size + MIB);
    const made = [...this.places].flatMap(([name, { offset, size }], i) => [
      `--new=${i + 1}:${offset / SECTOR}:+${size / MIB}M`,
      `--change-name=${i + 1}:${name}`,
      `--typecode=${i + 1}:${this.#typeCode(name)}`,
    ]);
    await runWell('sgdisk', [...made, disk]);
    await copyInto(disk, this.#place('boot').offset, this.#file('boot.img'));
    const old = this.#file('1.0.0-well.img');
    await makeSystem(this.#file('root'), { version: '1.0.0', health: 'well' }, old);
    await copyInto(disk, this.#place('system-a').offset, old);
    if (this.layout === 'small') {
      const runtime = this.#file('runtime.img');
      const { offset, size } = this.#place('runtime');
      await makeFileSystem(runtime, size, this.#file('runtime'), ['-O', '^has_journal']);
      await copyInto(disk, offset, runtime);
    }
    await this.loader.install(disk, (partition) => this.#place(partition), this.folder);
  }

  #typeCode(partition: Partition): string {
    if (partition === 'bios') return 'ef02';
    return partition === 'boot' ? this.loader.boot.typeCode : '8300';
  }
}

/** The rest of the first program, where a version has none of the usual. */
const firstPrograms: Readonly<Partial<Record<System['health'], string>>> = {
  dead: 'does not come up"\nexit 1',
  frozen: 'freezes"\nexec sleep 1000000',
};

/** The file system of a slot, which is only read: without a journal, as small as it can be. */
async function makeSystem(common: string, system: System, file: string): Promise<void> {
  const root = await mkdtemp(`${file}.root-`);
  try {
    await runWell('cp', ['-al', `${common}/.`, root]);
    await writeFile(path.join(root, 'etc', 'VERSION'), `${system.version}\n`);
    const isWell = system.health === 'well';
    const check = isWell ? 'exit 0' : 'echo the pump does not turn; exit 1';
    const healthy = path.join(root, 'usr', 'libexec', 'healthy');
    await writeFile(healthy, `#!/bin/sh\n${check}\n`);
    await chmod(healthy, 0o755);
    const first = firstPrograms[system.health];
    if (first !== undefined) {
      const init = path.join(root, 'sbin', 'init');
      await rm(init);
      await writeFile(init, `#!/bin/sh\necho "version $(cat /etc/VERSION) ${first}\n`);
      await chmod(init, 0o755);
    }
    const used = Number((await runWell('du', ['-sk', root])).split(/\s/)[0]) * 1024;
    const size = Math.ceil((used * 1.02) / MIB + 2) * MIB;
    const bare = ['-O', '^has_journal', '-m', '0', '-N', '2048'];
    await makeFileSystem(`${file}.new`, size, root, bare);
    await rename(`${file}.new`, file);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

async function copyInto(disk: string, offset: number, image: string): Promise<void> {
  await runWell('dd', [
    ...[`if=${image}`, `of=${disk}`, 'bs=1M', `seek=${offset / MIB}`],
    ...['conv=notrunc,sparse', 'status=none'],
  ]);
}
