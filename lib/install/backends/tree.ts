// Tested by test/unit/install/backends/hostile-images.test.ts and removal.test.ts
/** Directories as somebody else has filled them, whose names may be any bytes. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** @internal A path: text, or bytes where it is no UTF-8. */
export type TreePath = string | Buffer;

/** @internal The paths of what is in a directory. */
export async function pathsIn(folder: TreePath): Promise<readonly TreePath[]> {
  const names = await readdir(folder, { encoding: 'buffer' });
  return names.map((name) => inner(folder, name));
}

function inner(folder: TreePath, name: Buffer): TreePath {
  const text = name.toString();
  if (typeof folder === 'string' && Buffer.from(text).equals(name)) return join(folder, text);
  return Buffer.concat([Buffer.from(folder), Buffer.from('/'), name]);
}

/** @internal As an error names it: its first 200 characters, as they are. */
export function shown(path: TreePath, folder: string): string {
  return path.toString().slice(folder.length + 1, folder.length + 201);
}
