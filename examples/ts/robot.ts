/**
 * A robot: three computers, each a module with versions and upgrades of its own.
 *
 *   module     | its image goes
 *   (default)  | into the partition of the main computer that does not run
 *   arm        | over a bus to a controller that takes blocks
 *   map        | into a file
 *
 *   report the version of every module → take the upgrades of each as they come
 *   → download (the first 70 %) → start it (the rest) → report the new version
 */
import { type FileHandle, open as openFile, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Device, ImageWriter, OpenOptions, Target, Upgrade } from 'iotkit-ota';
import { open } from 'iotkit-ota';

const USAGE = `usage: robot DEVICE.json DIRECTORY
  Keeps the modules of a robot current. DEVICE.json: the options of open().
  DIRECTORY stands for its hardware: slot.img is a partition, arm.bin the memory of the arm, map.bin a file.
exit codes: 0 stopped by SIGTERM or SIGINT, 1 failed, 2 wrong usage
`;

/** With this word an image for the arm begins. */
const ARM_MAGIC = 'ARM1';

interface Part {
  readonly module: string;
  readonly target: () => Target;
  /** Lets the module run what it has got; throws if it does not. */
  readonly start?: (upgrade: Upgrade) => Promise<void>;
}

function partsOf(folder: string): readonly Part[] {
  const at = (name: string): string => path.join(folder, name);
  return [
    // With a journal the download goes on after a restart.
    { module: 'default', target: () => ({ device: at('slot.img'), journal: at('slot.journal') }) },
    {
      module: 'arm',
      target: () => new ArmBus(at('arm.bin')),
      start: (upgrade) => startArm(at('arm.bin'), upgrade),
    },
    { module: 'map', target: () => at('map.bin') },
  ];
}

/** Hands the arm its image in order, one block at a time: the bus sets the pace. */
class ArmBus implements ImageWriter {
  readonly #memory: string;
  #bus: FileHandle | undefined;

  constructor(memory: string) {
    this.#memory = memory;
  }

  async write(chunk: Uint8Array, offset: number): Promise<void> {
    this.#bus ??= await openFile(this.#memory, 'w');
    await this.#bus.write(chunk, 0, chunk.length, offset);
  }

  async close(): Promise<void> {
    await this.#bus?.close();
  }

  abort(): Promise<void> {
    return this.close();
  }
}

async function startArm(memory: string, upgrade: Upgrade): Promise<void> {
  await upgrade.report(80, 'the arm verifies its memory');
  const image = await readFile(memory);
  if (image.toString('latin1', 0, ARM_MAGIC.length) !== ARM_MAGIC) {
    throw new Error('the arm does not start');
  }
  await upgrade.report(90, 'the arm starts');
}

async function versionIn(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '1.0.0';
    throw error;
  }
}

async function update(upgrade: Upgrade, part: Part, signal: AbortSignal): Promise<boolean> {
  try {
    await upgrade.download(part.target(), { signal, report: { upTo: 70 } });
  } catch {
    signal.throwIfAborted();
    return false; // the platform has been told, and the log
  }
  try {
    await part.start?.(upgrade);
    return true;
  } catch (error) {
    await upgrade.fail(error instanceof Error ? error.message : String(error));
    return false;
  }
}

async function keepCurrent(
  device: Device,
  part: Part,
  folder: string,
  stop: AbortSignal,
): Promise<void> {
  const { module } = part;
  const versionFile = path.join(folder, `${module}.version`);
  const reported = { module, signal: stop };
  await device.ota.reportVersion(await versionIn(versionFile), reported);
  for await (const upgrade of device.ota.upgrades({ module, signal: stop })) {
    if (!(await update(upgrade, part, stop))) continue;
    await writeFile(`${versionFile}.new`, upgrade.version, { flush: true });
    await rename(`${versionFile}.new`, versionFile);
    await device.ota.reportVersion(upgrade.version, reported);
  }
}

async function main([file, folder]: readonly string[]): Promise<number> {
  if (file === undefined || folder === undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => stop.abort());
  try {
    const options: OpenOptions = JSON.parse(await readFile(file, 'utf8'));
    await using device = open({ ...options, logger: console });
    const parts = partsOf(folder);
    await Promise.all(parts.map((part) => keepCurrent(device, part, folder, stop.signal)));
    return 0;
  } catch (error) {
    if (stop.signal.aborted) return 0;
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    return 1;
  }
}

main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
