// Tested by test/unit/delta/result-file.test.ts
/**
 * Files in a directory that others may write to: what a file takes over of the one it replaces, and
 * which links are followed. The same rules as those of the addon's files (port/posix/own.c of the C
 * SDK); docs/download.md, "Other users", states them.
 */
import type { Stats } from 'node:fs';
import { lstat, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

const OTHERS_WRITE = 0o022;

/** Undefined: nothing is there. No link is followed. */
export async function existing(name: string): Promise<Stats | undefined> {
  return lstat(name).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
}

/** Whether it belongs to the user that we act as. */
export const isOurs = ({ uid }: Stats): boolean => uid === (process.geteuid?.() ?? uid);

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
