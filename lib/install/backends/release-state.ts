// Tested by test/unit/install/backends/releases.test.ts
/** What a directory installer knows of its releases, and the file that says so. No I/O. */
import { relative, resolve } from 'node:path';
import { integer, optional, outOfRange, text, wrongType } from '../../base/arguments';

/** The folder of the releases, and so the begin of their slots' names. */
export const RELEASES = 'releases';

/** What is known of the releases, beside them in `state.json`. */
export interface ReleaseState {
  /** The confirmed ones, the newest last. */
  readonly good: readonly string[];
  /** The one that was activated and not confirmed. */
  readonly trial: string;
  /** Those that are whole, confirmed or not; what is not here never starts. */
  readonly whole: readonly string[];
  /** Those that were installed or confirmed here, until they are removed; others are somebody else's. */
  readonly known: readonly string[];
  /** Which was started last by `reboot()`, and in which start of the machine. */
  readonly started: Started;
}

/** As a file says it. */
export interface ParsedState extends ReleaseState {
  /** Whether `known` has all of them. */
  readonly isOfAll: boolean;
}

interface Started {
  readonly slot: string;
  readonly bootId: string;
  /** While it is being started: what ran before, and how often it was begun. */
  readonly begun?: { readonly before: string; readonly times: number };
}

const BYTES_MAX = 1024 * 1024;

export const nothingKnown: ReleaseState = {
  good: [],
  trial: '',
  whole: [],
  known: [],
  started: { slot: '', bootId: 'none' },
};

/** What is known where somebody has put the first release there by hand. */
export function releaseByHand(slot: string): ReleaseState {
  return { ...nothingKnown, good: [slot], whole: [slot], known: [slot] };
}

/**
 * What the file of this root says; what is missing there is not known.
 *
 * @throws Error that says what is wrong
 */
export function parseState(root: string, json: string): ParsedState {
  const state = fields('it', JSON.parse(json.slice(0, BYTES_MAX)));
  const read = new SlotReader(root);
  const good = read.slots('good', state.good);
  const whole = read.slots('whole', state.whole);
  const trial = read.slotOrNone('trial', state.trial);
  // Files from before there was `known` name in part what they knew: then every release was of the installer.
  const isOfAll = state.known !== undefined;
  const known = new Set([...read.slots('known', state.known), ...whole, ...good, trial]);
  known.delete('');
  const started = optional(state.started, (value) => read.started(value)) ?? nothingKnown.started;
  return { good, trial, whole, known: [...known], started, isOfAll };
}

class SlotReader {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  slots(name: string, value: unknown = []): readonly string[] {
    if (!Array.isArray(value)) throw wrongType(name, 'an array', value);
    return value.map((it, i) => this.#slot(`${name}[${i}]`, it));
  }

  slotOrNone(name: string, value: unknown = ''): string {
    return value === '' ? '' : this.#slot(name, value);
  }

  started(value: unknown): Started {
    const { slot, bootId, begun } = fields('started', value);
    return {
      slot: this.slotOrNone('started.slot', slot),
      bootId: text('started.bootId', bootId, { min: 0, max: 1000 }),
      ...(begun !== undefined && { begun: this.#begun(begun) }),
    };
  }

  #begun(value: unknown): NonNullable<Started['begun']> {
    const { before, times } = fields('started.begun', value);
    return {
      before: this.slotOrNone('started.begun.before', before),
      times: integer('started.begun.times', times, { min: 1, max: Number.MAX_SAFE_INTEGER }),
    };
  }

  // However it is spelled: once it was what the link said.
  #slot(name: string, value: unknown): string {
    const path = resolve(this.#root, text(name, value, { max: 4096 }));
    const [folder, slot, deeper] = relative(this.#root, path).split('/');
    if (folder === RELEASES && slot !== undefined && deeper === undefined) {
      return `${RELEASES}/${slot}`;
    }
    throw outOfRange(name, `${RELEASES}/NAME`, value);
  }
}

function fields(name: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value };
  throw wrongType(name, 'an object', value);
}
