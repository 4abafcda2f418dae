/**
 * A machine with two slots and a boot loader that counts, simulated over real files. Its power can be
 * cut before any write: each write is a step with a number, and after the cut nothing that the
 * system of before still does has any effect.
 */
import {
  appendFileSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { IotkitError } from '../../lib/base/errors';
import { abortable, throwIfAborted } from '../../lib/base/signals';
import type {
  Installed,
  Installer,
  InstallerStatus,
  InstallImage,
  InstallOptions,
} from '../../lib/install/installer';
import type { InstallerMachine, TestImage } from './installer-contract';

type Name = 'A' | 'B';

interface BootEnvironment {
  order: Name[];
  slots: Record<Name, { ok: boolean; confirmed: boolean; tries: number }>;
}

const TRIES = 3;
const never = new Promise<never>(() => {});

/** The power of one life of the machine. */
export class Power {
  readonly steps: string[] = [];
  /** Resolves when it is cut. */
  readonly cut: Promise<void>;
  #isOff = false;
  readonly #cutAt: number;
  readonly #onCut: (() => void)[] = [];
  readonly #waiting: { readonly what: string; readonly reached: () => void }[] = [];
  #off: () => void = () => {};

  /** @param cutAt the number of the step before which it is cut, from 1; 0: it is not cut by itself. */
  constructor(cutAt = 0) {
    this.#cutAt = cutAt;
    this.cut = new Promise((resolve) => {
      this.#off = resolve;
    });
  }

  /** Before each write. Never returns once the power is off. */
  async step(what: string): Promise<void> {
    await this.alive();
    this.steps.push(what);
    for (const { what: awaited, reached } of this.#waiting) if (awaited === what) reached();
    if (this.steps.length === this.#cutAt) this.off();
    await this.alive();
  }

  /** Before each look at the machine. */
  async alive(): Promise<void> {
    if (this.#isOff) await never;
  }

  off(): void {
    if (this.#isOff) return;
    this.#isOff = true;
    for (const lose of this.#onCut) lose();
    this.#off();
  }

  /** What is lost in that moment. */
  onCut(lose: () => void): void {
    this.#onCut.push(lose);
  }

  /** Resolves when the step has begun. */
  reached(what: string): Promise<void> {
    if (this.steps.includes(what)) return Promise.resolve();
    return new Promise((reached) => this.#waiting.push({ what, reached }));
  }
}

export class SimulatedMachine implements InstallerMachine {
  readonly folder = mkdtempSync(join(tmpdir(), 'iotkit-machine-'));
  readonly losesCalls = true;
  power = new Power();
  installer!: Installer;
  booted: Name = 'A';
  bootId = '';
  #boots = 0;
  readonly #env = join(this.folder, 'boot.json');

  /** @param takes what its installer says that it takes. */
  constructor(public takes: Installer['takes'] = 'stream') {
    writeFileSync(this.slot('A'), imageOf('1.0.0'));
    writeFileSync(this.slot('B'), '');
    this.writeEnvironment({
      order: ['A', 'B'],
      slots: {
        A: { ok: true, confirmed: true, tries: 0 },
        B: { ok: false, confirmed: false, tries: 0 },
      },
    });
    this.start();
  }

  slot(name: string): string {
    return join(this.folder, `${name}.img`);
  }

  readEnvironment(): BootEnvironment {
    return JSON.parse(readFileSync(this.#env, 'utf8'));
  }

  /** In one write, as a redundant environment is. */
  writeEnvironment(environment: BootEnvironment): void {
    writeFileSync(`${this.#env}.new`, JSON.stringify(environment));
    renameSync(`${this.#env}.new`, this.#env);
  }

  /** What the boot loader does; throws if nothing starts. */
  start(power = new Power()): void {
    this.power.off();
    this.power = power;
    this.boot();
    this.#boots += 1;
    this.bootId = `boot-${this.#boots}`;
    this.installer = new SimulatedInstaller(this, power);
  }

  async restart(): Promise<void> {
    this.start();
  }

  /** What is in the slots starts anew, and nothing else does: a service, or another processor. */
  boot(): void {
    this.booted = this.#boot();
  }

  #boot(): Name {
    for (let starts = 0; starts < 4 * TRIES; starts += 1) {
      const environment = this.readEnvironment();
      const name = nextOf(environment);
      if (name === undefined) break;
      environment.slots[name].tries += 1;
      this.writeEnvironment(environment);
      const version = versionOf(readFileSync(this.slot(name)));
      if (version !== undefined && !version.endsWith('hangs')) return name;
    }
    throw new Error(`nothing starts: ${readFileSync(this.#env, 'utf8')}`);
  }

  async versionIn(slot: string): Promise<string | undefined> {
    return versionOf(readFileSync(this.slot(slot)));
  }

  /** The version that runs. */
  get running(): string | undefined {
    return versionOf(readFileSync(this.slot(this.booted)));
  }

  async image(version: string): Promise<TestImage> {
    const path = join(this.folder, `${version}.image`);
    const bytes = Buffer.from(imageOf(version));
    writeFileSync(path, bytes);
    return { version, bytes, path };
  }

  async wrongImage(): Promise<TestImage> {
    const path = join(this.folder, 'wrong.image');
    writeFileSync(path, 'for another machine');
    return { version: '2.0.0', bytes: readFileSync(path), path };
  }

  async close(): Promise<void> {
    this.power.off();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** One whose version ends with `hangs` never comes up. */
export function imageOf(version: string): string {
  return `system ${version}\n${'.'.repeat(100)}\nend\n`;
}

function versionOf(bytes: Buffer): string | undefined {
  return /^system (\S+)\n.*\nend\n$/.exec(bytes.toString())?.[1];
}

function nextOf({ order, slots }: BootEnvironment): Name | undefined {
  return order.find((name) => slots[name].ok && slots[name].tries < TRIES);
}

/** Installs on the simulated machine, in one life of it. */
class SimulatedInstaller implements Installer {
  readonly kind = 'simulated';
  readonly takes: Installer['takes'];
  readonly activates = false;
  readonly restarts = 'machine';
  readonly fallsBack = true;
  readonly #machine: SimulatedMachine;
  readonly #power: Power;

  constructor(machine: SimulatedMachine, power: Power) {
    this.takes = machine.takes;
    this.#machine = machine;
    this.#power = power;
  }

  async status(): Promise<InstallerStatus> {
    await this.#power.alive();
    const environment = this.#machine.readEnvironment();
    const { slots } = environment;
    return {
      booted: this.#machine.booted,
      next: nextOf(environment) ?? '',
      slots: (['A', 'B'] as const).map((name) => {
        const { ok, confirmed, tries } = slots[name];
        const isUsedUp = tries >= TRIES && name !== this.#machine.booted;
        return { name, state: !ok || isUsedUp ? 'bad' : confirmed ? 'good' : 'trial' };
      }),
    };
  }

  async install(
    image: InstallImage,
    { signal, onProgress }: InstallOptions = {},
  ): Promise<Installed> {
    throwIfAborted(signal);
    const name = this.#machine.booted === 'A' ? 'B' : 'A';
    await this.#change('install: slot bad', (environment) => {
      environment.slots[name] = { ok: false, confirmed: false, tries: 0 };
    });
    await this.#write(name, image, { signal, onProgress });
    const version = versionOf(readFileSync(this.#machine.slot(name)));
    if (version !== undefined) return { slot: name };
    throw new IotkitError('ERR_INSTALL_REFUSED', 'no system of this machine');
  }

  async #write(name: Name, image: InstallImage, options: InstallOptions): Promise<void> {
    const path = this.#machine.slot(name);
    await this.#power.step(`install: empty ${name}`);
    writeFileSync(path, '');
    const chunks = chunksOf(image)[Symbol.asyncIterator]();
    for (let written = 0; ; ) {
      const next = await abortable(chunks.next(), options.signal);
      if (next.done) return;
      await this.#power.step(`install: write ${name}`);
      appendFileSync(path, next.value);
      written += next.value.length;
      options.onProgress?.({ fraction: Math.min(1, written / image.size), step: 'writing' });
    }
  }

  async activate(slot: string): Promise<void> {
    const name = this.#nameOf(slot);
    const { slots, order } = this.#machine.readEnvironment();
    if (slots[name].ok && slots[name].tries < TRIES && order[0] === name) return;
    await this.#change('activate', (environment) => {
      environment.order = name === 'A' ? ['A', 'B'] : ['B', 'A'];
      environment.slots[name] = { ok: true, confirmed: false, tries: 0 };
    });
  }

  async markGood(): Promise<void> {
    await this.#change('markGood', ({ slots }) => {
      slots[this.#machine.booted] = { ok: true, confirmed: true, tries: 0 };
    });
  }

  async markBad(slot: string): Promise<void> {
    await this.#change('markBad', ({ slots }) => {
      slots[this.#nameOf(slot)] = { ok: false, confirmed: false, tries: 0 };
    });
  }

  async reboot(): Promise<void> {
    await this.#power.step('reboot');
    this.#power.off();
    await never;
  }

  #nameOf(slot: string): Name {
    if (slot === 'A' || slot === 'B') return slot;
    throw new IotkitError('ERR_BOOT_STATE', `there is no slot ${slot}`);
  }

  async #change(what: string, change: (environment: BootEnvironment) => void): Promise<void> {
    await this.#power.step(what);
    const environment = this.#machine.readEnvironment();
    change(environment);
    this.#machine.writeEnvironment(environment);
    await this.#power.alive();
  }
}

function chunksOf({ path, open: stream }: InstallImage): AsyncIterable<Uint8Array> {
  if (path === undefined && stream !== undefined) return stream();
  return listOf(readFileSync(path ?? ''));
}

async function* listOf(bytes: Buffer): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 50) yield bytes.subarray(at, at + 50);
}
