/**
 * A machine in qemu whose disk is one FAT, mounted by Linux, with Node.js and this package in its memory. It runs what
 * it is told to, and its disk says what a power cut at any moment of that would have left.
 */
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { run, runWell } from '../process';
import { HOST } from './bench';
import { cutsOf, recorded } from './disk-cuts';
import { Machine } from './machine';
import {
  addModules,
  addPackage,
  addProgram,
  busybox,
  fatModules,
  guest,
  headers,
  install,
  kernelPackage,
  library,
  makeArchive,
  makeFat,
  unpackKernel,
  virtualModules,
} from './parts';
import { PowerDisk } from './power-disk';

const DISK_BYTES = 4 * 1024 * 1024;

/** What a cut leaves of one file, and of the file system. */
export interface Left {
  /** undefined: there is no such file; `broken`: its name leads to bytes that belong to no file. */
  readonly file: Buffer | 'broken' | undefined;
  /** Files that lead to the same bytes, of which a checker of file systems would empty one; `''`: none. */
  readonly shared: string;
}

export class FatMachine implements AsyncDisposable {
  /** What it can fetch, by name. */
  readonly served = new Map<string, Buffer>();
  /** The machine waits for its next line. */
  #waiting: ServerResponse | undefined;
  #onEnd: (code: number) => void = () => {};

  private constructor(
    private readonly folder: string,
    readonly machine: Machine,
    private readonly server: Server,
    private readonly outside: string,
  ) {
    server.on('request', ({ url = '' }, response) => {
      const [, code] = /^\/next\?(\d+)$/.exec(url) ?? [];
      const bytes = this.served.get(url.slice(1));
      if (code !== undefined) {
        this.#waiting = response;
        this.#onEnd(Number(code));
      } else if (bytes !== undefined) {
        response.setHeader('content-length', bytes.length);
        response.end(bytes);
      } else {
        response.writeHead(404).end();
      }
    });
  }

  /** Starts it. */
  static async open(): Promise<FatMachine> {
    const folder = await mkdtemp(path.join(tmpdir(), 'iotkit-fat-'));
    const image = path.join(folder, 'disk.img');
    await mkdir(path.join(folder, 'empty'));
    // With 16 bits for a cluster: those of 12 bits can stand in two sectors.
    await makeFat(image, DISK_BYTES, path.join(folder, 'empty'), ['-F', '16', '-s', '1']);
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const outside = `http://${HOST}:${(server.address() as AddressInfo).port}`;
    const disk = new PowerDisk(image, (await stat(image)).size, () => 1);
    const system = await firstSystem(folder, outside);
    const socket = path.join(folder, 'disk.socket');
    const machine = await Machine.make(disk, socket, [...system, '-m', '1024']);
    const made = new FatMachine(folder, machine, server, outside);
    await made.#start();
    return made;
  }

  /** Where it finds one of those that are served. */
  address(name: string): string {
    return `${this.outside}/${name}`;
  }

  /** Runs lines of shell, with the disk at /mnt; throws unless the last one ends well. */
  async shell(lines: string): Promise<void> {
    const code = await this.code(lines);
    if (code !== 0) throw new Error(`${lines} ended with ${code}; ${this.machine.tail()}`);
  }

  /** The same; resolves with the exit code of the last one. */
  code(lines: string): Promise<number> {
    const ended = new Promise<number>((resolve) => {
      this.#onEnd = resolve;
    });
    this.#waiting?.end(`${lines}\n`);
    return this.#orMachineEnds(ended);
  }

  /** What a cut has left is on the disk, checked and mounted as at a start. */
  async startFrom(content: Buffer): Promise<void> {
    const image = path.join(this.folder, 'start.img');
    await writeFile(image, content);
    await run('fsck.vfat', ['-a', image]);
    this.served.set('start.img', await readFile(image));
    await this.shell(
      `umount /mnt && wget -q -O /tmp/start.img ${this.address('start.img')} &&
       dd if=/tmp/start.img of=/dev/vda bs=1M 2>/dev/null && mount -t vfat /dev/vda /mnt`,
    );
  }

  /**
   * What the disk may hold if the power goes while `work` is done; the last one: when it has ended, of which only what
   * was flushed is left.
   */
  async contents(work: () => Promise<void>, random: () => number): Promise<Buffer[]> {
    return [...cutsOf(await recorded(this.machine.disk, work), random)];
  }

  /** The same of one file. */
  async cuts(name: string, work: () => Promise<void>, random: () => number): Promise<Left[]> {
    const left: Left[] = [];
    for (const content of await this.contents(work, random)) {
      left.push(await this.#read(content, name));
    }
    return left;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.machine.close();
    this.server.closeAllConnections();
    this.server.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  async #start(): Promise<void> {
    const isUp = new Promise<number>((resolve) => {
      this.#onEnd = resolve;
    });
    this.machine.powerOn();
    await this.#orMachineEnds(isUp);
  }

  /** Reads it without a kernel. */
  async #read(content: Buffer, name: string): Promise<Left> {
    const [image, copy] = [path.join(this.folder, 'cut.img'), path.join(this.folder, 'copy')];
    await writeFile(image, content);
    await rm(copy, { force: true });
    const copied = await run('mcopy', ['-n', '-i', image, `::${name}`, copy]);
    const isMissing = /File "::.*" not found/.test(copied.stderr);
    const isBroken = /Fat problem while decoding/.test(copied.stderr);
    if (copied.code !== 0 && !isMissing && !isBroken) throw new Error(`mcopy: ${copied.stderr}`);
    const file = isMissing ? undefined : isBroken ? 'broken' : await readFile(copy);
    const { stdout } = await run('fsck.vfat', ['-n', image]);
    const [, one = '', other = ''] = /^(\S+) {2}and\n(\S+)\n {2}share clusters/m.exec(stdout) ?? [];
    return { file, shared: one && `${one} and ${other}` };
  }

  async #orMachineEnds<T>(work: Promise<T>): Promise<T> {
    const ends = this.machine.until(/^nobody outside/).then(() => {
      throw new Error(this.machine.tail());
    });
    ends.catch(() => {}); // when it is closed in the end
    return Promise.race([work, ends]);
  }
}

/** Kernel and first file system; resolves with qemu's arguments. */
async function firstSystem(folder: string, outside: string): Promise<string[]> {
  const [packages, root] = [path.join(folder, 'kernel'), path.join(folder, 'root')];
  await mkdir(packages);
  const kernel = await unpackKernel(await kernelPackage(), packages);
  for (const name of ['bin', 'dev', 'proc', 'sys', 'tmp', 'mnt']) {
    await mkdir(path.join(root, name), { recursive: true });
  }
  await install(busybox, path.join(root, 'bin', 'busybox'), 0o755);
  const programs = [
    'sh',
    'mount',
    'insmod',
    'sed',
    'ifconfig',
    'wget',
    'seq',
    'sync',
    'chmod',
    'env',
    'umount',
    'dd',
  ];
  for (const name of programs) await symlink('busybox', path.join(root, 'bin', name));
  await install(path.join(guest, 'fat-init'), path.join(root, 'init'), 0o755);
  await addModules(root, kernel, [...virtualModules, ...fatModules]);
  await addProgram(root, process.execPath, 'node');
  await addProgram(root, '/usr/bin/flock', 'flock'); // busybox of Debian has none
  await addPackage(root);
  const set = path.join(folder, 'fat-set');
  await runWell('cc', [
    '-O2',
    `-I${headers}`,
    '-o',
    set,
    path.join(guest, 'fat-set.c'),
    library,
    '-pthread',
    '-ldl',
    '-lm',
  ]);
  await addProgram(root, set, 'fat-set');
  await symlink('/bin/env', path.join(root, 'usr', 'bin', 'env'));
  const archive = path.join(folder, 'first.cpio');
  await makeArchive(root, archive);
  const line = `console=ttyS0 quiet panic=1 iotkit.outside=${outside}`;
  return ['-kernel', kernel.file, '-initrd', archive, '-append', line];
}
