/** The built package as a release of an agent that updates itself. */
import { cp, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';

const root = path.resolve(__dirname, '..', '..');
const parts = ['dist', 'addon.js', 'package.json', 'build/Release/iotkit_ota.node'];

/** The command line of what stands in the checkout, outside of all releases. */
export const commandLine = path.join(root, 'dist/cli/index.js');

/** Puts it into a folder, with a file `VERSION`. */
export async function makeRelease(version: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const part of parts) {
    await cp(path.join(root, part), path.join(folder, part), { recursive: true });
  }
  await writeFile(path.join(folder, 'VERSION'), version);
}
