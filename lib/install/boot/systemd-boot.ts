/**
 * systemd-boot, which counts in the names of its entries: `iotkit-12-B+3-0.conf` has three tries
 * left and none used, `iotkit-12-B.conf` is confirmed. Of entries without a sort key it takes the
 * one with the highest number first, and one without tries left last. So each change is one rename
 * on the EFI system partition: to a higher number, to a name without a counter, or to one that
 * does not end in `.conf`, which no loader looks at.
 */
import { open, readdir, rename } from 'node:fs/promises';
import path from 'node:path';
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
}

/** @internal The entries of one machine. */
export class SystemdBoot implements BootEnvironment {
  readonly kind = 'systemd-boot';

  constructor(private readonly options: SystemdBootOptions) {}

  async check(): Promise<void> {
    await this.#entries();
  }

  async read(slots: readonly string[]): Promise<BootState> {
    const entries = await this.#entries();
    const states = new Map(slots.map((slot) => [slot, stateOf(newest(entries, slot))]));
    const mayStart = entries.filter(({ slot }) => (states.get(slot) ?? 'bad') !== 'bad');
    return { next: mayStart[0]?.slot ?? '', states };
  }

  async disable(slot: string, fallback: string): Promise<void> {
    const entries = await this.#entries();
    if (entries.every((entry) => entry.slot !== fallback)) throw this.#none(fallback);
    for (const entry of entries.filter((it) => it.slot === slot && !it.isOff)) {
      await this.#rename(entry, `${this.#name(entry.number, slot)}.conf.off`);
    }
  }

  async activate(slot: string): Promise<void> {
    const entries = await this.#entries();
    const entry = newest(entries, slot);
    if (entry === undefined) throw this.#none(slot);
    const first = entries[0] as Entry;
    const { tries } = this.options;
    if (entry === first && !entry.isOff && entry.left === tries) return;
    const number = entry === first ? entry.number : first.number + 1;
    await this.#rename(entry, `${this.#name(number, slot)}+${tries}-0.conf`);
  }

  async confirm(slot: string): Promise<void> {
    const entry = newest(await this.#entries(), slot);
    if (entry === undefined) throw this.#none(slot);
    if (entry.left === undefined && !entry.isOff) return;
    await this.#rename(entry, `${this.#name(entry.number, slot)}.conf`);
  }

  #name(number: number, slot: string): string {
    return `${this.options.prefix}-${number}-${slot}`;
  }

  /** The ones of ours, the highest number first. */
  async #entries(): Promise<readonly Entry[]> {
    const { entries, prefix } = this.options;
    const files = await readdir(entries).catch((cause: Error) => {
      throw new IotkitError('ERR_BOOT_STATE', `the entries of systemd-boot: ${cause.message}`, {
        cause,
      });
    });
    const found = files.flatMap((file) => entryOf(file, prefix) ?? []);
    return found.sort((a, b) => b.number - a.number);
  }

  async #rename(entry: Entry, to: string): Promise<void> {
    const { entries } = this.options;
    try {
      await rename(path.join(entries, entry.file), path.join(entries, to));
      const folder = await open(entries, 'r');
      await folder.sync().finally(() => folder.close());
    } catch (cause) {
      throw new IotkitError('ERR_BOOT_STATE', (cause as Error).message, { cause });
    }
    if ((await readdir(entries)).includes(to)) return;
    throw new IotkitError('ERR_BOOT_STATE', `${entries} does not keep ${to}`);
  }

  #none(slot: string): IotkitError {
    const { entries, prefix } = this.options;
    const detail = `${entries} has no entry ${prefix}-NUMBER-${slot}.conf`;
    return new IotkitError('ERR_INSTALL_SETUP', detail);
  }
}

const pattern = /^-(\d{1,9})-(.+?)(?:\+(\d{1,3})(?:-\d{1,3})?)?\.conf(\.off)?$/;

function entryOf(file: string, prefix: string): Entry | undefined {
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

function newest(entries: readonly Entry[], slot: string): Entry | undefined {
  return entries.find((entry) => entry.slot === slot);
}

function stateOf(entry: Entry | undefined): SlotState {
  if (entry === undefined || entry.isOff || entry.left === 0) return 'bad';
  return entry.left === undefined ? 'good' : 'trial';
}
