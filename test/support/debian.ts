import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { runWell } from './process';

/** A file of a Debian package, and the MD5 the package itself records for it. */
export interface PackagedFile {
  readonly file: string;
  /** Lower-case hex. */
  readonly md5: string;
}

/**
 * Downloads a package (apt checks it against Debian's signed index) and unpacks one file of it
 * into `directory`.
 * Needs Debian or one of its kind, with its package lists (apt-get update).
 */
export async function fromDebianPackage(
  name: string,
  file: string,
  directory: string,
): Promise<PackagedFile> {
  await runWell('apt-get', ['download', '-q', '-o', 'APT::Sandbox::User=root', name], {
    cwd: directory,
  });
  const archive = (await readdir(directory)).find((entry) => entry.endsWith('.deb'));
  if (archive === undefined) throw new Error(`apt-get downloaded nothing for ${name}`);
  await runWell('dpkg-deb', ['--raw-extract', archive, 'unpacked'], { cwd: directory });
  const unpacked = path.join(directory, 'unpacked');
  const sums = await readFile(path.join(unpacked, 'DEBIAN', 'md5sums'), 'utf8');
  const line = sums.split('\n').find((entry) => entry.endsWith(`  ${file}`));
  if (line === undefined) throw new Error(`${archive} records no file ${file}`);
  return { file: path.join(unpacked, file), md5: line.slice(0, 32) };
}
