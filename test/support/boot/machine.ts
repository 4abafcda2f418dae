/** A machine in qemu without hardware help: its disk, its serial line, and its power. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { stripVTControlCharacters } from 'node:util';
import { DiskServer } from './nbd';
import type { PowerDisk } from './power-disk';

/** A machine that is awaited and says nothing for so long hangs, however busy this one is. */
const HANG_MS = 600_000;

interface Waiting {
  readonly pattern: RegExp;
  resolve(match: RegExpExecArray): void;
  reject(error: Error): void;
}

/** Off at first, and after each cut. */
export class Machine {
  /** All lines of the serial line, of all lives; `--- power on` stands before each. */
  readonly lines: string[] = [];
  /** Called for each line: by whom it is made for, and by whom else likes to read them. */
  onLine: (line: string) => void = () => {};
  onEveryLine: (line: string) => void = () => {};
  #qemu: ChildProcess | undefined;
  readonly #waiting = new Set<Waiting>();
  #silence: NodeJS.Timeout | undefined;

  private constructor(
    readonly disk: PowerDisk,
    private readonly server: DiskServer,
    private readonly socket: string,
    private readonly more: readonly string[],
  ) {
    disk.onCut = () => this.cut();
  }

  /**
   * @param socket where qemu finds the disk
   * @param more arguments of qemu
   */
  static async make(disk: PowerDisk, socket: string, more: readonly string[]): Promise<Machine> {
    return new Machine(disk, await DiskServer.listen(socket, disk), socket, more);
  }

  get isOn(): boolean {
    return this.#qemu !== undefined;
  }

  powerOn(): void {
    if (this.#qemu !== undefined) throw new Error('the machine is on');
    this.lines.push('--- power on');
    this.#silence = setTimeout(() => this.#giveUp('the machine hangs'), HANG_MS);
    this.disk.powerOn();
    // Whatever ends this process ends the machine too.
    const qemu = spawn(
      'setpriv',
      ['--pdeathsig', 'KILL', 'qemu-system-x86_64', ...this.#arguments()],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    this.#qemu = qemu;
    let said = '';
    qemu.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    createInterface(qemu.stdout).on('line', (line) => {
      if (this.#qemu === qemu) this.#heard(line);
    });
    qemu.on('error', (error) => this.#ended(qemu, `qemu cannot run: ${error.message}`));
    qemu.on('close', (code, signal) => {
      this.#ended(qemu, `qemu ended with ${signal ?? code}: ${said}`);
    });
  }

  /** Resolves with the next line that fits; rejects when the machine hangs or ends by itself. */
  async until(pattern: RegExp): Promise<RegExpExecArray> {
    let waiting: Waiting | undefined;
    try {
      return await new Promise((resolve, reject) => {
        waiting = { pattern, resolve, reject };
        this.#waiting.add(waiting);
      });
    } catch (error) {
      const { message } = error as Error;
      throw new Error(`${message}, while ${pattern} was awaited; ${this.tail()}`);
    } finally {
      this.#waiting.delete(waiting as Waiting);
    }
  }

  /** The power goes. What the machine was doing, and what its disk had not kept, is gone. */
  cut(): void {
    const qemu = this.#qemu;
    if (qemu === undefined) return;
    this.#qemu = undefined;
    clearTimeout(this.#silence);
    this.disk.cut();
    this.lines.push('--- power cut');
    qemu.kill('SIGKILL');
  }

  /** The last lines, for whoever looks for what went wrong. */
  tail(): string {
    return `the last of the serial line:\n${this.lines.slice(-60).join('\n')}`;
  }

  async close(): Promise<void> {
    const qemu = this.#qemu;
    this.cut();
    if (qemu !== undefined && qemu.exitCode === null && qemu.signalCode === null) {
      await once(qemu, 'close');
    }
    this.#giveUp('the machine was closed');
    await this.server.close();
    this.disk.close();
  }

  #heard(text: string): void {
    // GRUB and SeaBIOS steer a terminal.
    const line = stripVTControlCharacters(text)
      .replace(/\p{Cc}/gu, '')
      .trimEnd();
    if (line === '') return;
    this.lines.push(line);
    this.#silence?.refresh();
    this.onEveryLine(line);
    this.onLine(line);
    for (const waiting of [...this.#waiting]) {
      const match = waiting.pattern.exec(line);
      if (match !== null) waiting.resolve(match);
    }
  }

  #ended(qemu: ChildProcess, why: string): void {
    if (this.#qemu !== qemu) return; // it was cut
    this.#qemu = undefined;
    clearTimeout(this.#silence);
    this.#giveUp(why);
  }

  #giveUp(why: string): void {
    for (const waiting of [...this.#waiting]) waiting.reject(new Error(why));
  }

  // Never hardware help: the one of some virtual machines cannot run a BIOS, and hangs without a word.
  #arguments(): string[] {
    const disk = `driver=nbd,node-name=disk,server.type=unix,server.path=${this.socket}`;
    return [
      ...['-accel', 'tcg', '-cpu', 'max', '-m', '512'],
      ...['-nodefaults', '-no-user-config', '-display', 'none', '-vga', 'none'],
      ...['-serial', 'stdio', '-monitor', 'none'],
      ...['-blockdev', disk, '-device', 'virtio-blk-pci,drive=disk,write-cache=on'],
      ...['-netdev', 'user,id=net', '-device', 'virtio-net-pci,netdev=net,romfile='],
      ...this.more,
    ];
  }
}
