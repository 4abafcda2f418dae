/**
 * systemd-boot, which counts in the names of its entries: `iotkit-12-B+3-0.conf` has three tries
 * left and none used, `iotkit-12-B.conf` is confirmed. Of entries without a sort key it takes the
 * one with the highest number first, and one without tries left last. So each change gives the entry
 * of a slot another name: with a higher number, without a counter, or one that does not end in
 * `.conf`, which no loader looks at.
 *
 * That is no rename: the partition is FAT, where Linux writes the new name first without the file's
 * place and size, and those whenever it likes; a power cut leaves an entry that is empty. So the entry
 * is written again under its new name, flushed and read, and only then the old one is removed. After
 * a cut in between there are both, the old one whole, and the change is made again from that.
 */
import {
  access,
  constants,
  copyFile,
  readdir,
  readFile,
  stat,
  statfs,
  unlink,
} from 'node:fs/promises';
import path from 'node:path';
import { flush, flushFolder } from '../../base/durable';
import { IotkitError } from '../../base/errors';
import type { SlotState } from '../installer';
import type { BootEnvironment, BootState } from './environment';

/** @internal Checked. */
export interface SystemdBootOptions {
  /** The folder with the entries: `loader/entries` of the ESP or of XBOOTLDR. */
  readonly entries: string;
  readonly prefix: string;
  /** Tries of an activated entry. */
  readonly tries: number;
}

interface Entry {
  readonly file: string;
  readonly number: number;
  readonly slot: string;
  /** Tries left; undefined: not counted, so it is confirmed. */
  readonly left: number | undefined;
  readonly isOff: boolean;
  /** A power cut has left it, and no loader takes it. */
  readonly isEmpty: boolean;
}

/** @internal The entries of one machine. */
export class SystemdBoot implements BootEnvironment {
  readonly kind = 'systemd-boot';

  constructor(private readonly options: SystemdBootOptions) {}

  async check(slots: readonly string[]): Promise<void> {
    const entries = await this.#entries();
    for (const slot of slots) this.#newest(entries, slot);
    this.#above(entries[0] as Entry);
    await this.#inFolder(() => access(this.options.entries, constants.W_OK));
    await this.#inFolder(() => this.#assertRoom());
  }

  async read(slots: readonly string[]): Promise<BootState> {
    const entries = (await this.#entries()).filter(({ isEmpty }) => !isEmpty);
    const states = new Map(slots.map((slot) => [slot, stateOf(ofSlot(entries, slot)[0])]));
    const mayStart = entries.filter(({ slot }) => (states.get(slot) ?? 'bad') !== 'bad');
    return { next: mayStart[0]?.slot ?? '', states };
  }

  async disable(slot: string, fallback: string): Promise<void> {
    const entries = await this.#entries();
    this.#newest(entries, fallback);
    const all = ofSlot(entries, slot);
    const [entry] = all;
    if (entry === undefined || all.every(({ isOff }) => isOff)) return;
    await this.#replace(all, `${this.#name(entry.number, slot)}.conf.off`);
  }

  async activate(slot: string): Promise<void> {
    const entries = await this.#entries();
    const entry = this.#newest(entries, slot);
    const all = ofSlot(entries, slot);
    const first = entries[0] as Entry;
    const { tries } = this.options;
    const isFirst = first.slot === slot;
    if (all.length === 1 && isFirst && !entry.isOff && entry.left === tries) return;
    const number = isFirst ? first.number : this.#above(first);
    await this.#replace(all, `${this.#name(number, slot)}+${tries}-0.conf`);
  }

  async confirm(slot: string): Promise<void> {
    const entries = await this.#entries();
    const entry = this.#newest(entries, slot);
    const all = ofSlot(entries, slot);
    if (all.length === 1 && entry.left === undefined && !entry.isOff) return;
    await this.#replace(all, `${this.#name(entry.number, slot)}.conf`);
  }

  /** Each change writes an entry before it removes another. */
  async #assertRoom(): Promise<void> {
    const { entries } = this.options;
    const { bavail, blocks } = await statfs(entries);
    if (bavail > 0 || blocks === 0) return;
    throw new IotkitError('ERR_BOOT_STATE', `${entries} has no room for another entry`);
  }

  #name(number: number, slot: string): string {
    return `${this.options.prefix}-${number}-${slot}`;
  }

  /**
   * The ones of ours, the highest number first. Of one number, which a cut leaves two of, what says less
   * comes first: a trial before what is confirmed, and that before what is off.
   */
  async #entries(): Promise<readonly Entry[]> {
    const { entries, prefix } = this.options;
    const found: Entry[] = [];
    try {
      for (const file of await readdir(entries)) {
        const entry = entryOf(file, prefix);
        if (entry === undefined) continue;
        const is = await stat(path.join(entries, file));
        if (is.isFile()) found.push({ ...entry, isEmpty: is.size === 0 });
      }
    } catch (cause) {
      const { message } = cause as Error;
      throw new IotkitError('ERR_BOOT_STATE', `the entries of systemd-boot: ${message}`, { cause });
    }
    return found.sort((a, b) => b.number - a.number || rank(a) - rank(b));
  }

  /** @throws IotkitError where the slot has none */
  #newest(entries: readonly Entry[], slot: string): Entry {
    const entry = ofSlot(entries, slot).find(({ isEmpty }) => !isEmpty);
    if (entry === undefined) throw this.#none(slot);
    return entry;
  }

  /** The number of an entry that is to come first. */
  #above({ number, file }: Entry): number {
    if (number < HIGHEST) return number + 1;
    const { entries, prefix } = this.options;
    const detail = `${entries}/${file} has the highest number there may be, and a new version needs a higher one`;
    const help = `give the entries small numbers in the same order, such as ${prefix}-1-SLOT.conf`;
    throw new IotkitError('ERR_INSTALL_SETUP', `${detail}; ${help}`);
  }

  /** Of all entries of a slot there is then one, under that name. */
  async #replace(all: readonly Entry[], to: string): Promise<void> {
    const { entries } = this.options;
    const others = all.filter(({ file }) => file !== to);
    // The oldest: one that is newer may be what a cut has left of it.
    const source = others.filter(({ isEmpty }) => !isEmpty).at(-1);
    await this.#inFolder(async () => {
      if (source !== undefined) await this.#copy(source.file, to);
      for (const { file } of others) await unlink(path.join(entries, file));
      await flushFolder(entries);
    });
  }

  async #inFolder(change: () => Promise<void>): Promise<void> {
    try {
      await change();
    } catch (cause) {
      if (cause instanceof IotkitError) throw cause;
      throw new IotkitError('ERR_BOOT_STATE', (cause as Error).message, { cause });
    }
  }

  /** On the disk when it resolves. */
  async #copy(from: string, to: string): Promise<void> {
    const { entries } = this.options;
    const [source, target] = [path.join(entries, from), path.join(entries, to)];
    await copyFile(source, target);
    await flush(target);
    await flushFolder(entries);
    const isKept = (await readFile(target)).equals(await readFile(source));
    if (isKept && (await readdir(entries)).includes(to)) return;
    throw new IotkitError('ERR_BOOT_STATE', `${entries} does not keep ${to}`);
  }

  #none(slot: string): IotkitError {
    const { entries, prefix } = this.options;
    const detail = `${entries} has no entry ${prefix}-NUMBER-${slot}.conf (a number of 1 to 9 digits)`;
    const help = `give the slot one, such as ${prefix}-0-${slot}.conf.off`;
    return new IotkitError('ERR_INSTALL_SETUP', `${detail}; ${help}`);
  }
}

/** Of a number of nine digits, which the pattern reads. */
const HIGHEST = 999_999_999;
const pattern = /^-(\d{1,9})-(.+?)(?:\+(\d{1,3})(?:-\d{1,3})?)?\.conf(\.off)?$/;

function entryOf(file: string, prefix: string): Omit<Entry, 'isEmpty'> | undefined {
  if (!file.startsWith(prefix)) return undefined;
  const [, number, slot, left, off] = pattern.exec(file.slice(prefix.length)) ?? [];
  if (number === undefined || slot === undefined) return undefined;
  return {
    file,
    number: Number(number),
    slot,
    left: left === undefined ? undefined : Number(left),
    isOff: off !== undefined,
  };
}

const rank = ({ isOff, left }: Entry): number => (isOff ? 2 : 0) + (left === undefined ? 1 : 0);

function ofSlot(entries: readonly Entry[], slot: string): readonly Entry[] {
  return entries.filter((entry) => entry.slot === slot);
}

function stateOf(entry: Entry | undefined): SlotState {
  if (entry === undefined || entry.isOff || entry.left === 0) return 'bad';
  return entry.left === undefined ? 'good' : 'trial';
}
