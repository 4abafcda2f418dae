/** Boot loaders as a test plays them: each counts, and chooses, as the real one or its script does. */
import { open, readdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runWell } from './process';
import type { BootChooser, SlotFolder } from './slot-machine';

const TRIES = 3;

/** GRUB with the script of docs/install/slots.md. */
export async function grubChooser(folder: SlotFolder): Promise<BootChooser> {
  const file = folder.file('grubenv');
  await writeFile(file, grubenv({ ORDER: 'A B', A_OK: '1', A_TRY: '0', B_OK: '0', B_TRY: '0' }));
  return { environment: { loader: 'grub', file }, start: () => startByGrub(file) };
}

async function startByGrub(file: string): Promise<string> {
  const variables = grubVariables(await readFile(file, 'latin1'));
  const order = (variables.ORDER ?? '').split(' ');
  const mayStart = order.filter((it) => variables[`${it}_OK`] === '1');
  const slot = mayStart.find((it) => Number(variables[`${it}_TRY`] ?? 0) < TRIES);
  if (slot === undefined) return lastResort(mayStart, variables);
  variables[`${slot}_TRY`] = String(Number(variables[`${slot}_TRY`] ?? 0) + 1);
  // As GRUB does: into the blocks of the file.
  const handle = await open(file, 'r+');
  await handle.write(grubenv(variables), 0, 'latin1').finally(() => handle.close());
  return slot;
}

/** Nobody has a try left: the first that is not on trial starts, and nothing is counted. */
function lastResort(
  mayStart: readonly string[],
  variables: Readonly<Record<string, string | undefined>>,
): string {
  const first = mayStart.find((slot) => slot !== variables.iotkit_trial);
  if (first === undefined) throw new Error(`GRUB starts nothing: ${JSON.stringify(variables)}`);
  return first;
}

export function grubenv(variables: Readonly<Record<string, string | undefined>>): string {
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`);
  return `# GRUB Environment Block\n${lines.join('')}`.padEnd(1024, '#');
}

export function grubVariables(block: string): Record<string, string | undefined> {
  const lines = block.split('\n').filter((line) => !line.startsWith('#'));
  return Object.fromEntries(lines.map((line) => line.split('=', 2)));
}

/** systemd-boot with an entry for each slot. */
export async function systemdBootChooser(folder: SlotFolder): Promise<BootChooser> {
  const entries = folder.directory;
  await writeFile(path.join(entries, 'iotkit-1-A.conf'), 'title A\noptions iotkit.slot=A\n');
  await writeFile(path.join(entries, 'iotkit-0-B.conf.off'), 'title B\noptions iotkit.slot=B\n');
  return { environment: { loader: 'systemd-boot', entries }, start: () => startByEntry(entries) };
}

async function startByEntry(entries: string): Promise<string> {
  const files = (await readdir(entries)).filter((file) => file.endsWith('.conf'));
  const counted = files.map((file) => ({ file, ...counters(file) }));
  const isUsedUp = ({ left }: { readonly left: number | undefined }): number => Number(left === 0);
  const [first] = counted.sort((a, b) => isUsedUp(a) - isUsedUp(b) || b.number - a.number);
  if (first === undefined) throw new Error('systemd-boot has no entry');
  const { file, base, slot, left, done } = first;
  if (left !== undefined && left > 0) {
    const counting = `${base}+${left - 1}-${done + 1}.conf`;
    await rename(path.join(entries, file), path.join(entries, counting));
  }
  return slot;
}

function counters(file: string) {
  const match = /^(iotkit-(\d+)-(\w+))(?:\+(\d+)(?:-(\d+))?)?\.conf$/.exec(file);
  if (match === null) throw new Error(`${file} is no entry of a slot`);
  const [, base = '', number, slot = '', left, done = 0] = match;
  return {
    base,
    slot,
    number: Number(number),
    left: left === undefined ? undefined : Number(left),
    done: Number(done),
  };
}

export type UbootScheme = 'order' | 'bootcount';

/** U-Boot with a redundant environment in two files, behind libubootenv's tools. */
export async function ubootChooser(folder: SlotFolder, scheme: UbootScheme): Promise<BootChooser> {
  const config = folder.file('fw_env.config');
  const copies = [folder.file('uboot-1.env'), folder.file('uboot-2.env')];
  for (const copy of copies) await writeFile(copy, Buffer.alloc(16_384));
  await writeFile(config, copies.map((copy) => `${copy} 0x0 0x4000\n`).join(''));
  const initial = folder.file('initial.env');
  await writeFile(
    initial,
    scheme === 'order'
      ? 'BOOT_ORDER=A B\nBOOT_A_LEFT=3\nBOOT_B_LEFT=0\n'
      : 'slot=A\nupgrade_available=0\nbootcount=0\nbootlimit=3\naltbootcmd=run other\n',
  );
  await runWell('fw_setenv', ['-c', config, '-f', initial, 'board', 'test']);
  const start = scheme === 'order' ? startByOrder : startByBootcount;
  return { environment: { loader: 'u-boot', config, scheme }, start: () => start(config) };
}

// The script of docs/install/slots.md: all in the order get new tries when none has any left.
async function startByOrder(config: string): Promise<string> {
  const variables = await ubootVariables(config);
  const order = (variables.BOOT_ORDER ?? '').split(' ').filter((slot) => slot !== '');
  if (order.length > 0 && order.every((slot) => Number(variables[`BOOT_${slot}_LEFT`]) <= 0)) {
    for (const slot of order) {
      await runWell('fw_setenv', ['-c', config, `BOOT_${slot}_LEFT`, '3']);
      variables[`BOOT_${slot}_LEFT`] = '3';
    }
  }
  for (const slot of order) {
    const left = Number(variables[`BOOT_${slot}_LEFT`] ?? 0);
    if (left <= 0) continue;
    await runWell('fw_setenv', ['-c', config, `BOOT_${slot}_LEFT`, String(left - 1)]);
    return slot;
  }
  throw new Error(`U-Boot starts nothing: ${JSON.stringify(variables)}`);
}

async function startByBootcount(config: string): Promise<string> {
  const { slot = '', upgrade_available, bootcount, bootlimit } = await ubootVariables(config);
  if (upgrade_available !== '1') return slot;
  const count = Number(bootcount) + 1;
  await runWell('fw_setenv', ['-c', config, 'bootcount', String(count)]);
  if (count <= Number(bootlimit)) return slot;
  // altbootcmd starts the other one; what it is to be called is the system's affair.
  return slot === 'A' ? 'B' : 'A';
}

export async function ubootVariables(config: string): Promise<Record<string, string | undefined>> {
  const text = await runWell('fw_printenv', ['-c', config]);
  return Object.fromEntries(text.split('\n').map((line) => line.split('=', 2)));
}
