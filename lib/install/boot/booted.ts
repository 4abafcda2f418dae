/** Which slot this system runs from, when nobody says it: by the kernel's command line, or by `/`. */
import { readFile, stat } from 'node:fs/promises';
import { IotkitError } from '../../base/errors';

/** @internal A slot and the device or file that holds it, if one is known. */
export interface Place {
  readonly name: string;
  readonly device?: string | undefined;
}

/** @internal What names the slot on the kernel's command line, in this order. */
export const COMMAND_LINE_KEYS = ['iotkit.slot', 'rauc.slot'] as const;

/**
 * @internal The name of the booted slot.
 *
 * @param key what names it on the command line, instead of {@link COMMAND_LINE_KEYS}
 * @throws IotkitError ERR_INSTALL_SETUP where neither says it
 */
export async function bootedSlot(places: readonly Place[], key?: string): Promise<string> {
  const line = await readFile('/proc/cmdline', 'utf8').catch(() => '');
  const keys = key === undefined ? COMMAND_LINE_KEYS : [key];
  const named = namedOn(line, keys);
  const found = named ?? (key === undefined ? await rootOf(places) : undefined);
  if (found !== undefined && places.some(({ name }) => name === found)) return found;
  const names = places.map(({ name }) => name).join(', ');
  const how = found === undefined ? 'nothing says which slot is running' : `${found} is running`;
  const help = `name one of ${names} by ${keys.join(' or ')} on the kernel's command line`;
  throw new IotkitError('ERR_INSTALL_SETUP', `${how}; ${help}, or by the option booted`);
}

/** @internal The value of the first of `keys` on a kernel's command line. */
export function namedOn(line: string, keys: readonly string[]): string | undefined {
  const words = line.trim().split(/\s+/);
  for (const key of keys) {
    const word = words.findLast((it) => it.startsWith(`${key}=`));
    if (word !== undefined) return word.slice(key.length + 1);
  }
  return undefined;
}

async function rootOf(places: readonly Place[]): Promise<string | undefined> {
  const root = await stat('/');
  for (const { name, device } of places) {
    if (device === undefined) continue;
    const place = await stat(device).catch(() => undefined);
    if (place?.isBlockDevice() && place.rdev === root.dev) return name;
  }
  return undefined;
}
