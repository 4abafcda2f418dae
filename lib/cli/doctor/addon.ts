/** The checks `addon` and `tls`: which addon loads or why none does, and where it finds OpenSSL. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Binding } from '../../addon/binding';
import { type Finding, fail, messageOf, ok, propertyOf, skip, warn } from './finding';
import { glibcFloor, versionsNeeded } from './symbol-versions';

/** Of causes: they may go in a circle. */
const MAX_DEPTH = 8;

// dist/ and lib/ both lie directly below the package.
export const packageRoot = path.resolve(__dirname, '..', '..', '..');

export function packageVersion(): string {
  const manifest = readFileSync(path.join(packageRoot, 'package.json'), 'utf8');
  return (JSON.parse(manifest) as { version: string }).version;
}

/** An addon's file, and the oldest glibc it loads with; undefined: any, or none. */
export interface AddonFile {
  readonly path: string;
  readonly glibc: string | undefined;
}

export type LoadedAddon =
  | { readonly binding: Binding; readonly file: AddonFile | undefined }
  | { readonly error: unknown; readonly candidates: readonly AddonFile[] };

/** Loads the addon as a program would; never throws. */
export function loadAddon(): LoadedAddon {
  try {
    const { native } = require('../../addon/load') as typeof import('../../addon/load');
    const file = Object.keys(require.cache).find((it) => require.cache[it]?.exports === native);
    return { binding: native, file: file === undefined ? undefined : describe(file) };
  } catch (error) {
    return { error, candidates: addonsIn(packageRoot) };
  }
}

function describe(file: string): AddonFile {
  try {
    return { path: file, glibc: glibcFloor(versionsNeeded(readFileSync(file))) };
  } catch {
    return { path: file, glibc: undefined };
  }
}

/** The addons for this processor that a package holds. */
export function addonsIn(root: string): AddonFile[] {
  const target = `${process.platform}-${process.arch}`;
  const prebuilds = namesIn(path.join(root, 'prebuilds')).filter((name) => name.startsWith(target));
  return [...prebuilds.map((name) => path.join('prebuilds', name)), path.join('build', 'Release')]
    .flatMap((folder) => namesIn(path.join(root, folder)).map((name) => path.join(folder, name)))
    .filter((file) => file.endsWith('.node'))
    .map((file) => ({ ...describe(path.join(root, file)), path: file }));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).toSorted();
  } catch {
    return [];
  }
}

/** @param version of the package */
export function checkAddon(loaded: LoadedAddon, version: string): Finding {
  if ('error' in loaded) return notLoaded(loaded.error, loaded.candidates);
  const { binding, file } = loaded;
  const floor = file?.glibc;
  const facts = { path: file?.path ?? null, version: binding.version, glibc: floor ?? null };
  const needs = floor === undefined ? '' : `, needs glibc ${floor}`;
  const summary = `${binding.version}${needs}, ${file?.path ?? 'from a place that is not known'}`;
  if (binding.version === version) return ok(summary, facts);
  return warn(
    `${summary}: the package is ${version}`,
    'Remove the build folder of the package, which has an addon of another version.',
    facts,
  );
}

function notLoaded(error: unknown, candidates: readonly AddonFile[]): Finding {
  const reasons = reasonsOf(error);
  const found = candidates.map(({ path: name, glibc }) => ({ path: name, glibc: glibc ?? null }));
  const list = candidates.map((it) => `${it.path}${it.glibc ? ` (glibc ${it.glibc})` : ''}`);
  const holds = list.length === 0 ? 'no addon for this processor' : list.join(', ');
  // The message of the loader says what to do; the last reason is the system's own.
  const [message = '', ...causes] = reasons;
  return fail(`none loads: ${causes.at(-1) ?? message}; the package holds ${holds}`, message, {
    path: null,
    version: null,
    glibc: null,
    reasons,
    candidates: found,
  });
}

/** The messages of an error, its causes and the parts of an aggregate. */
function reasonsOf(error: unknown): string[] {
  const reasons: string[] = [];
  let at = error;
  for (let depth = 0; at !== undefined && depth < MAX_DEPTH; depth += 1) {
    const parts = propertyOf(at, 'errors');
    reasons.push(messageOf(at), ...(Array.isArray(parts) ? parts.map(messageOf) : []));
    at = propertyOf(at, 'cause');
  }
  return reasons;
}

/** @param openssl version of the process's own, by `process.versions` */
export function checkTls(loaded: LoadedAddon, openssl: string | undefined): Finding {
  if ('error' in loaded) return skip('the addon looks for OpenSSL, and does not load');
  const source = loaded.binding.tlsSource();
  const version = source === 'process' ? (openssl ?? null) : null;
  const facts = { source, version };
  if (source === null) {
    return fail(
      'no OpenSSL was found, neither in the process nor on the system',
      'Install OpenSSL 3 or 1.1.1 (libssl.so.3 or libssl.so.1.1), or use Node.js, which has one.',
      facts,
    );
  }
  const where = source === 'process' ? 'in the process' : `${source} of the system`;
  return ok(version === null ? `OpenSSL: ${where}` : `OpenSSL ${version} ${where}`, facts);
}
