// Spoils what a killed program has left, as a bad disk, a power cut or a person might.
import { copyFile, open, rm, stat, truncate } from 'node:fs/promises';

/** Parts and journals of other images, for swapping. */
const foreign = [];

/** Keeps copies of what was left, for the damage of other runs. */
export async function keepForeign(files, directory) {
  if (foreign.length >= 8) return;
  const copy = {
    part: `${directory}/foreign-${foreign.length}.part`,
    journal: `${directory}/foreign-${foreign.length}.journal`,
  };
  try {
    await copyFile(files.part, copy.part);
    await copyFile(files.journal, copy.journal);
  } catch (error) {
    if (error.code === 'ENOENT') return;
    throw error;
  }
  foreign.push(copy);
}

/**
 * Does it; says whether there was anything to spoil. What is around an image in place, `margin` on
 * both sides, is left alone.
 */
export async function damage(files, { file, how, place, bytes }, margin) {
  const path = files[file];
  const size = await sizeOf(path);
  if (size === undefined && !how.startsWith('swap')) return false;
  const around = file === 'part' ? margin : 0;
  const at = around + Math.floor(place * (size - 2 * around));
  const most = Math.max(0, size - around - at);
  switch (how) {
    case 'flip':
      return change(path, at, Math.min(1, most), (byte) => byte ^ (1 << (bytes % 8)));
    case 'zero':
      return change(path, at, Math.min(bytes, most), () => 0);
    case 'truncate':
      await truncate(path, Math.floor(place * size));
      return true;
    case 'empty':
      await truncate(path, 0);
      return true;
    case 'append':
      return append(path, size, bytes);
    case 'remove':
      await rm(path);
      return true;
    default:
      return swap(files, how === 'swap' ? [file] : ['part', 'journal'], place);
  }
}

async function sizeOf(path) {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}

async function change(path, at, bytes, to) {
  const file = await open(path, 'r+');
  try {
    const buffer = Buffer.alloc(bytes);
    const { bytesRead } = await file.read(buffer, 0, bytes, at);
    await file.write(buffer.subarray(0, bytesRead).map(to), 0, bytesRead, at);
    return bytesRead > 0;
  } finally {
    await file.close();
  }
}

async function append(path, size, bytes) {
  const file = await open(path, 'r+');
  try {
    await file.write(Buffer.alloc(bytes, 0xa5), 0, bytes, size);
    return true;
  } finally {
    await file.close();
  }
}

async function swap(files, names, place) {
  const other = foreign[Math.floor(place * foreign.length)];
  if (other === undefined) return false;
  for (const name of names) await copyFile(other[name], files[name]);
  return true;
}
