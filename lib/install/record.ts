/**
 * The record of an installation: one small file on the data partition that says what was meant, and
 * what the platform has still to hear. What starts next is the boot environment's to say, not the
 * record's.
 *
 * The file is a line with the digest of what follows, and that is JSON. It is written aside, flushed,
 * renamed, and its directory flushed, so that a power cut leaves the old record or the new one.
 */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { endQuietly, withEnd } from '../base/cleanup';
import { flushFolder, renameFile } from '../base/durable';
import { IotkitError } from '../base/errors';
import { excerpt } from './excerpt';
import type { ImageDigest } from './installer';
import { fileError } from './lock';

/**
 * How far an update has come:
 *
 * - `announced`: one of several modules that are updated together; its image has not come yet
 * - `downloaded`: the image is on the disk, whole and verified; it may wait for its time
 * - `installing`: the installer writes it, or was cut off
 * - `installed`: it is in its slot, which nothing starts yet
 * - `activated`: the next start takes the slot
 * - `trial`: the slot runs, and has not been confirmed; with a `reason` it is being rolled back
 * - `confirmed`: it runs, and stays
 * - `rolledBack`: it was activated, and the slot of before runs again
 * - `failed`: it came to nothing before it was activated, or nobody can say what became of it
 */
export type UpdatePhase =
  | 'announced'
  | 'downloaded'
  | 'installing'
  | 'installed'
  | 'activated'
  | 'trial'
  | 'confirmed'
  | 'rolledBack'
  | 'failed';

/** A difference, as it was announced. */
export interface AnnouncedDelta {
  /** Of the difference itself. */
  readonly digest: ImageDigest;
  /** Of the difference itself, bytes. */
  readonly size: number;
}

/** One of several files, as it was announced. */
export interface AnnouncedFile {
  /** Its name. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Of this file. */
  readonly digest: ImageDigest;
}

/** What the record holds of the update of one module. */
export interface UpdateEntry {
  /** The id of the platform's message that announced it; `''`: installed at the machine, or its record was lost. */
  readonly id: string;
  /** `''`: the default one. */
  readonly module: string;
  /** The version it updates to; `''`: not known, as its record was lost. */
  readonly version: string;
  /** The version that ran before; `''`: not known. */
  readonly from: string;
  /** Of the image; its value is `''` with several files, or where its record was lost. */
  readonly digest: ImageDigest;
  /** Of the image, bytes. */
  readonly size: number;
  /** Of the difference that was announced in its place, if it was one; else null. */
  readonly delta: AnnouncedDelta | null;
  /** The files of an upgrade that has several; else none. */
  readonly files: readonly AnnouncedFile[];
  /** What ran when it was installed; `''`: it has not come to that. */
  readonly slotFrom: string;
  /** Where the image is; `''`: it has not come to that. */
  readonly slotTo: string;
  /** How far it has come. */
  readonly phase: UpdatePhase;
  /** Which start of the machine activated it; `''`: none. */
  readonly bootId: string;
  /** How long the update lock has held it off, milliseconds, over restarts of the agent. */
  readonly heldMs: number;
  /** How often it was begun to install. */
  readonly attempts: number;
  /** Whether it is installed while it comes, so that its digest has not been compared yet. */
  readonly unproven: boolean;
  /** How often it was activated, and how often restarted for. */
  readonly activations: number;
  /** How often its service was restarted into it since it was activated; a restart of the machine is not counted. */
  readonly restarts: number;
  /** How often its trial has begun. */
  readonly trials: number;
  /** Why it was, or is to be, rolled back or given up, at most 4 KiB; `''`: it is not. */
  readonly reason: string;
  /** What the platform hears of that: -1 … -4; 0: nothing. */
  readonly step: number;
  /** The last words of what failed, at most 4 KiB. */
  readonly output: string;
  /** Whether the platform has heard the end. */
  readonly reported: boolean;
}

/** A version that was confirmed. */
export interface ConfirmedVersion {
  /** As it was announced. */
  readonly version: string;
  /** The slot that it is in. */
  readonly slot: string;
  /** Of the image it was made of, as a base for differences. */
  readonly digest: ImageDigest;
  /** Of that image, bytes. */
  readonly size: number;
}

/** @internal All of the record. By module; `''` is the default one. */
export interface RecordContent {
  readonly entries: Readonly<Record<string, UpdateEntry>>;
  /** What was confirmed last. */
  readonly confirmed: Readonly<Record<string, ConfirmedVersion>>;
  /** The only version that the module may be updated to. */
  readonly pins: Readonly<Record<string, string>>;
}

/** @internal */
export interface FileOwner {
  readonly uid: number;
  readonly gid: number;
}

/** @internal The writes of a record, of which a test can cut the power between any two. */
export interface RecordIo {
  /** Makes a file of its own, and flushes it; root may make it another user's. */
  write(path: string, text: string, owner?: FileOwner): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
}

const EMPTY: RecordContent = { entries: {}, confirmed: {}, pins: {} };
const HEAD = 'iotkit-install-record';
const BYTES_MAX = 1024 * 1024;
/** Of one text in an entry, bytes. */
const TEXT_MAX = 4096;
const TEXT_HEAD = 256;
const { O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_WRONLY } = constants;

/** @internal */
export const recordIo: RecordIo = {
  async write(path, text, owner) {
    await rm(path, { force: true }); // of a write that was cut off
    const file = await open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
    const fill = async (): Promise<void> => {
      // By the descriptor: whoever has the folder could have put another file there by now.
      if (owner !== undefined && process.geteuid?.() === 0) await file.chown(owner.uid, owner.gid);
      await file.writeFile(text);
      await file.sync();
    };
    await withEnd(fill, () => file.close());
  },
  rename: renameFile,
  syncDirectory: flushFolder,
};

/** @internal The record, as it is on the disk. One process has it, by the agent's lock. */
export class RecordFile {
  /** Why what was found could not be used; it was kept aside. */
  readonly damage: IotkitError | undefined;
  readonly #path: string;
  readonly #io: RecordIo;
  #content: RecordContent;
  #saving: Promise<void> = Promise.resolve();

  private constructor(path: string, io: RecordIo, content: RecordContent, damage?: IotkitError) {
    this.#path = path;
    this.#io = io;
    this.#content = content;
    this.damage = damage;
  }

  /**
   * Reads the record; one that is missing is empty, and so is one that is damaged, which is kept as
   * `path.damaged`: what runs can then be learned from the boot environment alone.
   *
   * @throws IotkitError ERR_INSTALL_RECORD (it is somebody else's, or no file: nothing of it is
   *   believed), ERR_FILE_ACCESS, ERR_FILE
   */
  static async open(path: string, io: RecordIo = recordIo): Promise<RecordFile> {
    const text = await readOwn(path);
    if (text === undefined) return new RecordFile(path, io, EMPTY);
    try {
      return new RecordFile(path, io, parse(text));
    } catch (cause) {
      const kept = `${path}.damaged`;
      try {
        await io.rename(path, kept);
        await io.syncDirectory(dirname(path));
      } catch (error) {
        throw fileError(kept, error);
      }
      const why = cause instanceof Error ? cause.message : String(cause);
      const detail = `${path}: ${why}; it was kept as ${kept}, and what runs is taken from the boot environment`;
      const damage = new IotkitError('ERR_INSTALL_RECORD', detail, { cause });
      return new RecordFile(path, io, EMPTY, damage);
    }
  }

  get content(): RecordContent {
    return this.#content;
  }

  entry(module: string): UpdateEntry | undefined {
    return this.#content.entries[module];
  }

  /** Changes the record, on the disk first. One change after the other. */
  change(make: (content: RecordContent) => RecordContent): Promise<void> {
    const saved = this.#saving.then(() => this.#save(make(this.#content)));
    this.#saving = saved.catch(() => {});
    return saved;
  }

  /**
   * What a program or an error has said is cut: a record that has grown too large is not read again.
   *
   * @returns the entry as it is now.
   */
  async put(given: UpdateEntry): Promise<UpdateEntry> {
    const [entry = given] = await this.putAll([given]);
    return entry;
  }

  /** As {@link put}, all of them by one write. */
  async putAll(given: readonly UpdateEntry[]): Promise<readonly UpdateEntry[]> {
    const entries = given.map(({ from, reason, output, ...rest }) => {
      return { ...rest, from: cut(from), reason: cut(reason), output: cut(output) };
    });
    await this.change((content) => ({
      ...content,
      entries: {
        ...content.entries,
        ...Object.fromEntries(entries.map((entry) => [entry.module, entry])),
      },
    }));
    return entries;
  }

  /** There is no update of the module any more. */
  remove(module: string): Promise<void> {
    return this.change((content) => {
      const { [module]: _, ...entries } = content.entries;
      return { ...content, entries };
    });
  }

  async #save(content: RecordContent): Promise<void> {
    const aside = `${this.#path}.new`;
    try {
      await this.#io.write(aside, textOf(content));
      await this.#io.rename(aside, this.#path);
      await this.#io.syncDirectory(dirname(this.#path));
    } catch (cause) {
      throw fileError(this.#path, cause);
    }
    this.#content = content;
  }
}

function cut(text: string): string {
  return excerpt(text, TEXT_MAX, TEXT_HEAD);
}

function textOf(content: RecordContent): string {
  const body = `${JSON.stringify({ format: 1, ...content }, undefined, 1)}\n`;
  return `${HEAD} sha256 ${digestOf(body)}\n${body}`;
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

/** @internal What {@link lookAtRecord} has found. */
export interface SeenRecord {
  readonly content: RecordContent;
  /** Why what was found could not be used. */
  readonly damage: IotkitError | undefined;
}

/**
 * @internal The record for who only reads it, maybe while an agent has it: nothing is moved. Root sees that of another
 * user's agent too.
 *
 * @throws IotkitError as {@link RecordFile.open} does
 */
export async function lookAtRecord(path: string): Promise<SeenRecord> {
  const text = await readOwn(path, true);
  try {
    return { content: text === undefined ? EMPTY : parse(text), damage: undefined };
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const detail = `${path}: ${why}; what runs is taken from the boot environment`;
    return { content: EMPTY, damage: new IotkitError('ERR_INSTALL_RECORD', detail, { cause }) };
  }
}

/** The text of a file that this user alone can write; undefined: there is none. */
async function readOwn(path: string, isLooking = false): Promise<string | undefined> {
  // Without waiting for whoever writes into a pipe.
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch((cause: unknown) => {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw fileError(path, cause);
  });
  if (file === undefined) return undefined;
  try {
    const { uid, mode, size } = await file.stat();
    const mine = process.geteuid?.() ?? uid;
    if ((mode & constants.S_IFMT) !== constants.S_IFREG) throw foreign(path, 'is no file');
    const isSeen = isLooking && mine === 0 && uid === (await stat(dirname(path))).uid;
    if (uid !== mine && !isSeen) {
      const why = `belongs to user ${uid}, not to ${mine}; run this as the agent's user, or chown it`;
      throw foreign(path, why);
    }
    if ((mode & 0o022) !== 0) throw foreign(path, 'may be written by others; chmod it to 600');
    return size > BYTES_MAX ? '' : await file.readFile('utf8');
  } finally {
    await endQuietly(() => file.close()); // it was only read
  }
}

function foreign(path: string, why: string): IotkitError {
  return new IotkitError('ERR_INSTALL_RECORD', `${path} ${why}; or give the record another path`);
}

function parse(text: string): RecordContent {
  const end = text.indexOf('\n');
  const [head, method, digest] = text.slice(0, end).split(' ');
  if (head !== HEAD || method !== 'sha256') throw new Error('it does not begin as a record does');
  const body = text.slice(end + 1);
  if (digest !== digestOf(body)) throw new Error('its digest is another one');
  return contentOf(JSON.parse(body));
}

/**
 * What has the right digest was written by an agent, maybe by one of another release: what that did
 * not know is as at the beginning. What this one does not know it must not act on.
 */
function contentOf(given: unknown): RecordContent {
  const { format = 1, entries = {}, confirmed = {}, pins = {} } = objectOf('it', given);
  if (format !== 1) throw new Error(`its format is ${JSON.stringify(format)}, not 1`);
  const content = {
    entries: mapOf('entries', entries, entryOf),
    confirmed: mapOf('confirmed', confirmed, confirmedOf),
    pins: mapOf('pins', pins, (name, pin) => like(name, pin, '')),
  };
  for (const [module, entry] of Object.entries(content.entries)) {
    if (entry.module !== module) throw new Error(`the entry of module "${module}" is of another`);
  }
  return content;
}

function entryOf(name: string, given: unknown): UpdateEntry {
  const entry = { ...beginning, ...objectOf(name, given) } as unknown as UpdateEntry;
  for (const [key, value] of Object.entries({ ...beginning, id: '', module: '', version: '' })) {
    if (key !== 'delta') like(`${name}.${key}`, entry[key as keyof UpdateEntry], value);
  }
  if (!phases.has(entry.phase)) {
    throw new Error(`${name}.phase is ${JSON.stringify(entry.phase)}, which is not known`);
  }
  assertImage(name, entry);
  if (entry.delta !== null) assertImage(`${name}.delta`, entry.delta);
  for (const file of entry.files) {
    assertImage(`${name}.files`, file);
    like(`${name}.files.name`, file.name, '');
  }
  return entry;
}

function confirmedOf(name: string, given: unknown): ConfirmedVersion {
  const version = objectOf(name, given) as unknown as ConfirmedVersion;
  like(`${name}.version`, version.version, '');
  like(`${name}.slot`, version.slot, '');
  assertImage(name, version);
  return version;
}

function assertImage(name: string, given: unknown): void {
  const { digest, size } = objectOf(name, given);
  const { method, value } = objectOf(`${name}.digest`, digest);
  if (method !== 'md5' && method !== 'sha256')
    throw new Error(`${name}.digest has no known method`);
  like(`${name}.digest.value`, value, '');
  like(`${name}.size`, size, 0);
}

/** Whether it is of the same kind as a sample. */
function like<T>(name: string, value: unknown, sample: T): T {
  if (typeof value === typeof sample && Array.isArray(value) === Array.isArray(sample)) {
    if (value !== null) return value as T;
  }
  throw new Error(`${name} is no ${Array.isArray(sample) ? 'array' : typeof sample}`);
}

function objectOf(name: string, value: unknown): Record<string, unknown> {
  return like<Record<string, unknown>>(name, value, {});
}

function mapOf<T>(
  name: string,
  given: unknown,
  of: (name: string, value: unknown) => T,
): Record<string, T> {
  const all = Object.entries(objectOf(name, given));
  return Object.fromEntries(all.map(([key, value]) => [key, of(`${name}["${key}"]`, value)]));
}

const phases: ReadonlySet<UpdatePhase> = new Set([
  'announced',
  'downloaded',
  'installing',
  'installed',
  'activated',
  'trial',
  'confirmed',
  'rolledBack',
  'failed',
]);

/** @internal Whether an update has not ended. */
export function isUnderWay({ phase }: UpdateEntry): boolean {
  return phase !== 'confirmed' && phase !== 'rolledBack' && phase !== 'failed';
}

/** @internal Whether its image is in a slot, and in another one than what ran before. */
export function hasNewSlot({ slotTo, slotFrom }: UpdateEntry): boolean {
  return slotTo !== '' && slotTo !== slotFrom;
}

/** @internal What an entry begins with. */
export const beginning = {
  from: '',
  delta: null,
  files: [],
  slotFrom: '',
  slotTo: '',
  bootId: '',
  heldMs: 0,
  attempts: 0,
  unproven: false,
  activations: 0,
  restarts: 0,
  trials: 0,
  reason: '',
  step: 0,
  output: '',
  reported: false,
} as const satisfies Partial<UpdateEntry>;
