/** What the disks and first file systems of machines are made of: Debian's kernel, busybox, Node.js, this package. */
import {
  chmod,
  copyFile,
  cp,
  mkdir,
  readdir,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import path from 'node:path';
import { fromDebianPackage } from '../debian';
import { run, runWell } from '../process';

const repository = path.resolve(__dirname, '..', '..', '..');

/** Programs that run in machines. */
export const guest = path.join(__dirname, 'guest');
export const busybox = '/bin/busybox';
export const dist = path.join(repository, 'dist');
export const headers = path.join(repository, 'deps', 'iotkit', 'include');
/** The C SDK, as it is in the addon. */
export const library = path.join(repository, 'build', 'Release', 'iotkit.a');
export const addon = path.join(repository, 'build', 'Release', 'iotkit_ota.node');

/** Of disk and network, in the order in which the kernel takes them. */
export const virtualModules: readonly string[] = [
  'drivers/virtio/virtio_ring.ko',
  'drivers/virtio/virtio.ko',
  'drivers/virtio/virtio_pci_legacy_dev.ko',
  'drivers/virtio/virtio_pci_modern_dev.ko',
  'drivers/virtio/virtio_pci.ko',
  'drivers/block/virtio_blk.ko',
  'net/core/failover.ko',
  'drivers/net/net_failover.ko',
  'drivers/net/virtio_net.ko',
];

export const fatModules: readonly string[] = [
  'fs/nls/nls_cp437.ko',
  'fs/nls/nls_ascii.ko',
  'fs/fat/fat.ko',
  'fs/fat/vfat.ko',
];

export interface KernelPackage {
  readonly name: string;
  readonly version: string;
}

/** The newest of Debian's kernels for virtual machines, which is the smallest. */
export async function kernelPackage(): Promise<KernelPackage> {
  const depends = await runWell('apt-cache', ['depends', 'linux-image-cloud-amd64']);
  const name = /Depends: (linux-image-\S+)/.exec(depends)?.[1];
  if (name === undefined) throw new Error(`apt knows no kernel; apt-get update:\n${depends}`);
  const shown = await runWell('apt-cache', ['show', '--no-all-versions', name]);
  return { name, version: /^Version: (\S+)$/m.exec(shown)?.[1] ?? '' };
}

/** Of an unpacked kernel: itself, and the folder of its modules. */
export interface Kernel {
  readonly file: string;
  readonly modules: string;
}

/** Unpacks it into a folder that is empty. */
export async function unpackKernel({ name }: KernelPackage, folder: string): Promise<Kernel> {
  const release = name.replace('linux-image-', '');
  const { file } = await fromDebianPackage(name, `boot/vmlinuz-${release}`, folder);
  const unpacked = path.dirname(path.dirname(file));
  return { file, modules: path.join(unpacked, 'lib', 'modules', release, 'kernel') };
}

/** Into `modules`, where `order` has their names. */
export async function addModules(
  root: string,
  kernel: Kernel,
  modules: readonly string[],
): Promise<void> {
  await mkdir(path.join(root, 'modules'), { recursive: true });
  for (const module of modules) {
    const copy = path.join(root, 'modules', path.basename(module));
    await copyFile(path.join(kernel.modules, module), copy);
  }
  const order = modules.map((module) => `${path.basename(module)}\n`).join('');
  await writeFile(path.join(root, 'modules', 'order'), order);
}

/** A program of this machine, with the libraries it needs. */
export async function addProgram(root: string, file: string, name: string): Promise<void> {
  await mkdir(path.join(root, 'usr', 'bin'), { recursive: true });
  await install(file, path.join(root, 'usr', 'bin', name), 0o755);
  const { stdout } = await run('ldd', [file]);
  for (const [, library = ''] of stdout.matchAll(/(\/\S+) \(0x/g)) {
    await mkdir(path.join(root, path.dirname(library)), { recursive: true });
    await install(library, path.join(root, library), 0o755);
  }
}

/** This package as it is built here, and its command, where `npm install --global` would put them. */
export async function addPackage(root: string): Promise<void> {
  const target = path.join(root, 'usr', 'lib', 'node_modules', 'iotkit-ota');
  await mkdir(path.join(target, 'build', 'Release'), { recursive: true });
  for (const name of ['package.json', 'addon.js']) {
    await copyFile(path.join(repository, name), path.join(target, name));
  }
  await cp(dist, path.join(target, 'dist'), {
    recursive: true,
    filter: (file) => !/\.(?:map|d\.ts)$/.test(file),
  });
  await copyFile(addon, path.join(target, 'build', 'Release', path.basename(addon)));
  const command = path.join(target, 'dist', 'cli', 'index.js');
  await chmod(command, 0o755);
  await mkdir(path.join(root, 'usr', 'bin'), { recursive: true });
  await symlink(
    path.relative(path.join(root, 'usr', 'bin'), command),
    path.join(root, 'usr', 'bin', 'iotkit-ota'),
  );
}

/** An archive as the kernel unpacks it into its first file system. */
export async function makeArchive(root: string, file: string): Promise<void> {
  await runWell('sh', ['-c', `find . | cpio --quiet -o -H newc > '${file}'`], { cwd: root });
}

export async function makeFileSystem(
  file: string,
  size: number,
  content: string,
  options: readonly string[] = [],
): Promise<void> {
  await writeFile(file, '');
  await truncate(file, size);
  // Whatever the size: GRUB reads a kernel much faster in blocks of 4 KiB.
  const same = ['-b', '4096', '-E', 'root_owner=0:0'];
  await runWell('mke2fs', ['-q', '-F', '-t', 'ext4', ...same, ...options, '-d', content, file]);
}

export async function makeFat(
  file: string,
  size: number,
  content: string,
  options: readonly string[] = [],
): Promise<void> {
  await writeFile(file, '');
  await truncate(file, size);
  await runWell('mkfs.vfat', ['-n', 'BOOT', ...options, file]);
  const names = await readdir(content);
  if (names.length === 0) return;
  await runWell('mcopy', ['-s', '-i', file, ...names.map((it) => path.join(content, it)), '::']);
}

export async function install(from: string, to: string, mode: number): Promise<void> {
  await copyFile(from, to);
  await chmod(to, mode);
}
