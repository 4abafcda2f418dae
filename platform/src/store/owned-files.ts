import { mkdir, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Change, Store } from './store';

/** A note that a file may be removed: it was never finished, or its record is gone. */
interface FileNote {
  readonly folder: string;
  readonly id: string;
}

const FILE = '.bin';
const PART = '.part';

/**
 * The files in a folder that records name, as `{id}.bin`; copies are made as `{id}.bin.part`. Only
 * what a note says is removed: a note is durable before its file is begun, and goes with the record
 * that names the file. So a start removes what a crash has left, and no file that is not ours.
 */
export class OwnedFiles {
  readonly directory: string;
  readonly #store: Store;
  readonly #folder: string;

  constructor(store: Store, parent: string, folder: 'firmware' | 'config') {
    this.#store = store;
    this.#folder = folder;
    this.directory = join(parent, folder);
  }

  path(id: string): string {
    return join(this.directory, id + FILE);
  }

  partPath(id: string): string {
    return this.path(id) + PART;
  }

  /** Makes the folder, and removes what the notes say. */
  async open(mode?: number): Promise<void> {
    await mkdir(this.directory, { recursive: true, ...(mode !== undefined && { mode }) });
    const notes = await this.#store.load<FileNote>('file');
    await this.remove(notes.filter(({ folder }) => folder === this.#folder).map(({ id }) => id));
  }

  /** Durable when it resolves: these files are about to be made. */
  announce(ids: readonly string[]): Promise<void> {
    return this.#store.commit(this.condemn(ids));
  }

  /** To be committed with the record that names the files from now on. */
  keep(ids: readonly string[]): Change[] {
    return ids.map((id) => ({ kind: 'file', key: `${this.#folder}/${id}` }));
  }

  /** To be committed with the end of the record that named the files. */
  condemn(ids: readonly string[]): Change[] {
    const folder = this.#folder;
    return ids.map((id) => ({ kind: 'file', key: `${folder}/${id}`, record: { folder, id } }));
  }

  /** Removes files, and then their notes. */
  async remove(ids: readonly string[]): Promise<void> {
    for (const id of ids) {
      await rm(this.path(id), { force: true });
      await rm(this.partPath(id), { force: true });
      this.#store.remove('file', `${this.#folder}/${id}`);
    }
  }

  /** Names of the files that no record names. */
  async strangers(isKnown: (id: string) => boolean): Promise<string[]> {
    const names = await readdir(this.directory);
    return names.filter((name) => !(name.endsWith(FILE) && isKnown(name.slice(0, -FILE.length))));
  }

  /** Makes a rename last. */
  async sync(): Promise<void> {
    const directory = await open(this.directory, 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  }
}
