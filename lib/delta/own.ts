// Tested by test/unit/delta/result-file.test.ts
/**
 * Files in a directory that others may write to: what a file takes over of the one it replaces, and
 * which links are followed. The same rules as those of the addon's files (port/posix/own.c of the C
 * SDK); docs/download.md, "Other users", states them.
 */
import type { Stats } from 'node:fs';
import { lstat, readlink, stat } from 'node:fs/promises';
import { dirname, isAbsolute } from 'node:path';
import { conflict } from '../base/arguments';
import { IotkitError } from '../base/errors';

const OTHERS_WRITE = 0o022;
const STICKY = 0o1000;
const LINKS_MAX = 16;

/** Undefined: nothing is there. No link is followed. */
export async function existing(name: string): Promise<Stats | undefined> {
  return lstat(name).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}

/** Whether it belongs to the user that we act as. */
export const isOurs = ({ uid }: Stats): boolean => uid === (process.geteuid?.() ?? uid);

const isRoot = (): boolean => process.geteuid?.() === 0;

const isOursOrRoots = (it: Stats): boolean => isOurs(it) || it.uid === 0;

/** The regular file at `name`, if nobody else can have put it there: its owner and mode can be believed. */
export async function trusted(name: string): Promise<Stats | undefined> {
  const there = await existing(name);
  if (!there?.isFile()) return undefined;
  if (isOurs(there) && there.nlink === 1) return there;
  const directory = await stat(dirname(name));
  const isPrivate = isOursOrRoots(directory) && (directory.mode & OTHERS_WRITE) === 0;
  return isPrivate ? there : undefined;
}

/**
 * The path that `name` leads to by symbolic links of ours or root's; nothing has to be there. A link
 * of others may lead anywhere: it is where the way ends.
 */
export async function resolveLinks(name: string): Promise<string> {
  let at = name;
  for (let i = 0; i < LINKS_MAX; i += 1) {
    const there = await existing(at);
    if (!there?.isSymbolicLink() || !isOursOrRoots(there)) return at;
    const next = await readlink(at);
    // Not path.join(): `..` after a link to a directory is not what it seems in the text.
    at = isAbsolute(next) ? next : at.slice(0, at.lastIndexOf('/') + 1) + next;
  }
  throw conflict(`${name}: leads through too many symbolic links`);
}

/** Throws unless the image may take the place of what is at `name`: a regular file, or nothing. */
export async function assertReplaceable(name: string): Promise<void> {
  const there = await existing(name);
  if (there === undefined) return;
  if (there.isDirectory()) throw conflict(`${name}: is a directory`);
  if (there.isBlockDevice()) {
    throw conflict(`${name}: is a block device; for one take the chunks of the image`);
  }
  if (!there.isFile() && !there.isSymbolicLink()) throw conflict(`${name}: is no regular file`);
  const directory = await stat(dirname(name));
  if ((directory.mode & STICKY) === 0 || isRoot() || isOurs(there) || isOurs(directory)) return;
  const detail = `${name}: is another user's in a sticky directory, and cannot be replaced`;
  throw new IotkitError('ERR_FILE_ACCESS', detail);
}
