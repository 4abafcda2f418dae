/** Where an addon may lie, in the order in which it is looked for. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import type { System } from './system';

/** Names an addon, or a folder that has `prebuilds/` or `build/`: nothing else is looked at then. */
export const variable = 'IOTKIT_OTA_PREBUILD';

const packageName = 'iotkit-ota';
const addonName = 'iotkit_ota.node';

/** What was compiled on this machine, by `iotkit-ota build`, node-gyp or cmake-js. */
const builds = [['build', 'Release'], ['build', 'Debug'], ['build']] as const;

export interface Places {
  /** Set when {@link variable} is. */
  readonly told: string | undefined;
  /** Folders whose `build/` and `prebuilds/` were looked into. */
  readonly folders: readonly string[];
  /** The addons that are there and fit by their names. */
  readonly files: readonly string[];
}

/** `own`: the folder of this package as far as this file knows: wrong when it was bundled. */
export function placesOf(system: System, own: string): Places {
  const told = environment(variable) || undefined;
  if (told !== undefined) {
    const file = path.resolve(told);
    return isFolder(file)
      ? { told, folders: [file], files: addonsIn(file, system) }
      : { told, folders: [], files: [file] };
  }
  const folders = [...new Set([...packagesFrom(own), path.dirname(process.execPath)])];
  return { told, folders, files: folders.flatMap((folder) => addonsIn(folder, system)) };
}

/** Deno throws where the environment may not be read. */
function environment(name: string): string | undefined {
  try {
    return process.env[name];
  } catch {
    return undefined;
  }
}

/** This package; and, for a program that was bundled, the one that is installed where it lies. */
function packagesFrom(own: string): string[] {
  if (isPackage(own)) return [own];
  try {
    const found = createRequire(__filename).resolve(`${packageName}/package.json`);
    return [path.dirname(found)];
  } catch {
    return [];
  }
}

/** Whether the package lies there. A bundle two folders below `/` must not load from `/build`. */
export function isPackage(folder: string): boolean {
  try {
    const { name } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'));
    return name === packageName;
  } catch {
    return false;
  }
}

function isFolder(file: string): boolean {
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function addonsIn(folder: string, system: System): string[] {
  const built = builds.map((below) => path.join(folder, ...below, addonName));
  return [...built.filter(exists), ...prebuilt(folder, system)];
}

/** `prebuilds/<platform>-<arch>[+<arch>]/<name>[.<tag>].node`, the narrowest first. */
function prebuilt(folder: string, { platform, arch, libc, armVersion }: System): string[] {
  const fits = (name: string): boolean => {
    const tags = name.split('.').slice(0, -1);
    const libcTag = tags.find((tag) => tag === 'glibc' || tag === 'musl');
    const armTag = tags.find((tag) => /^armv\d+$/.test(tag))?.slice('armv'.length);
    return (
      name.endsWith('.node') &&
      (libcTag ?? libc) === libc &&
      // What was built for an older one runs on a newer one.
      (armTag === undefined || armVersion === undefined || Number(armTag) <= Number(armVersion))
    );
  };
  const narrow = (name: string): number => name.split('.').length;
  return systemsIn(folder)
    .filter((name) => isFor(name, platform, arch))
    .sort((one, other) => one.length - other.length)
    .flatMap((name) => {
      const files = list(path.join(folder, 'prebuilds', name)).filter(fits);
      return files
        .sort((one, other) => narrow(other) - narrow(one) || other.localeCompare(one))
        .map((file) => path.join(folder, 'prebuilds', name, file));
    });
}

/** Names such as `linux-x64`: what prebuilt addons in a folder are for. */
export function systemsIn(folder: string): string[] {
  return list(path.join(folder, 'prebuilds')).filter((name) => name.includes('-'));
}

function isFor(name: string, platform: string, arch: string): boolean {
  const [os, architectures = ''] = name.split('-');
  return os === platform && architectures.split('+').includes(arch);
}

/** The permission model of Node.js throws at the question already. */
function exists(file: string): boolean {
  try {
    return existsSync(file);
  } catch {
    return false;
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Why the prebuilt addons of a folder cannot be seen; undefined: they can, or there are none. */
export function refusalOf(folder: string): NodeJS.ErrnoException | undefined {
  try {
    readdirSync(path.join(folder, 'prebuilds'));
  } catch (error) {
    const refusal = error as NodeJS.ErrnoException;
    if (refusal.code !== 'ENOENT') return refusal;
  }
  return undefined;
}
