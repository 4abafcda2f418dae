// Tested by test/unit/install/backends/hostile-images.test.ts
/**
 * What an image has become in a directory that is nobody else's yet: looked at, then flushed. Not every
 * `tar` keeps all inside: busybox's makes hard links to any file, and keeps set-user-ID bits.
 */
import { constants, type Stats } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
import { endQuietly } from '../../base/cleanup';
import { IotkitError } from '../../base/errors';
import { pathsIn, shown, type TreePath } from './tree';

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = constants;
const SET_ID = 0o6000;

/**
 * @internal Looks at all in a directory before the first of it is changed, then flushes it. Files lose
 * their set-user-ID and set-group-ID bits. Links stay as they are and are not followed.
 *
 * @throws IotkitError ERR_INSTALL_REFUSED (with the name: neither file, directory nor link; a hard link to a
 *   file that is not in it; what its own user cannot read); what the system says
 */
export async function settle(folder: string): Promise<void> {
  const files = new Map<number, { readonly path: TreePath; links: number }>();
  await inspect(folder, (path, found) => {
    if (found.isDirectory() || found.isSymbolicLink()) return;
    if (!found.isFile()) throw refused(path, folder, 'is a special file');
    const { links } = files.get(found.ino) ?? { links: found.nlink };
    files.set(found.ino, { path, links: links - 1 });
  });
  for (const { path, links } of files.values()) {
    if (links > 0) throw refused(path, folder, 'is a hard link to a file outside of it');
  }
  await flushAll(folder, folder);
}

async function inspect(
  folder: TreePath,
  look: (path: TreePath, found: Stats) => void,
  root = folder,
): Promise<void> {
  const paths = await pathsIn(folder).catch(asRefusal(folder, String(root)));
  for (const path of paths) {
    const found = await lstat(path).catch(asRefusal(folder, String(root)));
    look(path, found);
    if (found.isDirectory()) await inspect(path, look, root);
  }
}

async function flushAll(folder: TreePath, root: string): Promise<void> {
  for (const path of await pathsIn(folder)) {
    const found = await lstat(path);
    if (found.isDirectory()) await flushAll(path, root);
    else if (found.isFile()) {
      const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK).catch(
        asRefusal(path, root),
      );
      await flushed(file, async () => {
        if ((found.mode & SET_ID) !== 0) await file.chmod(found.mode & 0o7777 & ~SET_ID);
      });
    }
  }
  await flushed(await open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), async () => {});
}

async function flushed(file: FileHandle, change: () => Promise<void>): Promise<void> {
  try {
    await change();
    await file.sync();
  } finally {
    await endQuietly(() => file.close()); // it was only read
  }
}

function asRefusal(path: TreePath, root: string): (cause: unknown) => never {
  return (cause) => {
    const { code } = cause as NodeJS.ErrnoException;
    if (code !== 'EACCES' || path === root) throw cause;
    throw refused(path, root, 'may not be read by its own user; pack it after a chmod u+rX');
  };
}

function refused(path: TreePath, root: string, why: string): IotkitError {
  return new IotkitError('ERR_INSTALL_REFUSED', `${shown(path, root)} in the image ${why}`);
}
