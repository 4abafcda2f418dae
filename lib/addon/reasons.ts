/** Why no addon was loaded, and what helps: the text of ERR_ADDON_NOT_FOUND. */
import path from 'node:path';
import { readElf } from './elf';
import { type Places, refusalOf, systemsIn, variable } from './places';
import { glibcVersion, nameOf, type System } from './system';

/** An addon that is there, and what its loading threw. */
export interface Failure {
  readonly file: string;
  readonly error: unknown;
}

export interface Search {
  readonly system: System;
  readonly places: Places;
  readonly failures: readonly Failure[];
  /** Whether this code runs where it was installed, and was not copied into a bundle. */
  readonly installed: boolean;
  /** The folder of the package, as far as this code knows. */
  readonly root: string;
}

/** The reason and its remedy, or undefined if a failure is another's. */
type Reason = (said: string, failure: Failure, search: Search) => string | undefined;

const compile =
  '`npx iotkit-ota build` compiles one here, for which it needs a C and a C++ compiler and no network';

/** The first that fits speaks. */
const reasons: readonly Reason[] = [
  disabled,
  denied,
  tooNew,
  notMapped,
  notReadable,
  otherMachine,
  otherLibc,
];

function disabled(said: string, { error }: Failure): string | undefined {
  if (codeOf(error) !== 'ERR_DLOPEN_DISABLED' && !/addons is disabled/.test(said)) return undefined;
  return (process as { readonly permission?: unknown }).permission === undefined
    ? 'Node.js was told to load no addons: leave out --no-addons (or take it out of NODE_OPTIONS)'
    : 'The permission model lets this process load no addons: add --allow-addons';
}

function denied(said: string, { error }: Failure, { root }: Search): string | undefined {
  if (codeOf(error) === 'ERR_ACCESS_DENIED') return unreadable(root);
  return /NotCapable|Requires (ffi|read) access/.test(`${nameOfError(error)} ${said}`)
    ? `Deno does not let this process load it: add --allow-ffi and --allow-read=${root}`
    : undefined;
}

function unreadable(root: string): string {
  const read = `--allow-fs-read=${path.join(root, '*')}`;
  return `The permission model does not let this process read it: add ${read} and --allow-addons`;
}

function tooNew(said: string): string | undefined {
  const [, version, name] = /version `((GLIBC|GLIBCXX|CXXABI)_[\d.]+)' not found/.exec(said) ?? [];
  if (version === undefined) return undefined;
  const own = name === 'GLIBC' ? glibcVersion() : undefined;
  const there = own ? `and this system has GLIBC ${own}` : 'which this system does not have';
  return `It needs ${version}, ${there}: ${compile}`;
}

function notMapped(said: string): string | undefined {
  return /failed to map segment|[Oo]peration not permitted/.test(said)
    ? 'The system does not let it be mapped as code: is it on a file system that is mounted noexec?'
    : undefined;
}

function notReadable(said: string): string | undefined {
  return /EACCES|[Pp]ermission denied/.test(said)
    ? 'This user may not read it: look at the modes of the file and of the folders above it'
    : undefined;
}

function otherMachine(said: string, { file }: Failure, { system }: Search): string | undefined {
  const copied = 'was node_modules copied from another machine?';
  if (/incompatible architecture|not a mach-o|mach-o, but wrong/i.test(said)) {
    return `It is for another processor than ${system.arch}: ${copied}`;
  }
  if (system.platform !== 'linux') return undefined;
  const machine = readElf(file)?.machine;
  if (machine === undefined) {
    return 'The file is missing, damaged or no addon of Linux: install the package again, on this machine';
  }
  const own = readElf(process.execPath)?.machine ?? machine;
  return machine === own
    ? undefined
    : `It is for ${machine}, and this process is ${own}: ${copied}`;
}

function otherLibc(said: string): string | undefined {
  return /ld-linux|libc\.so\.6|libc\.musl|ld-musl/.test(said) && /No such file|not found/.test(said)
    ? `It is for another C library than the one of this process: ${compile}`
    : undefined;
}

/** The message of the error. */
export function explain(search: Search): string {
  const { system, places, failures } = search;
  const lines = [`iotkit-ota has no addon that loads here: ${nameOf(system)}, ${runtime()}.`];
  for (const failure of failures) {
    const said = messageOf(failure.error);
    lines.push(`- ${failure.file}: ${said.split('\n')[0]}`);
    lines.push(`  ${remedyOf(said, failure, search)}.`);
  }
  if (failures.length === 0) lines.push(`${nothingThere(search)}.`);
  if (places.told !== undefined) lines.push(`(${variable} is set, so nothing else was tried.)`);
  return lines.join('\n');
}

function runtime(): string {
  const { bun, deno, node } = process.versions;
  if (bun) return `Bun ${bun}`;
  return deno ? `Deno ${deno}` : `Node.js ${node}`;
}

function remedyOf(said: string, failure: Failure, search: Search): string {
  for (const reason of reasons) {
    const remedy = reason(said, failure, search);
    if (remedy !== undefined) return remedy;
  }
  return `If it keeps failing, ${compile}`;
}

function nothingThere(search: Search): string {
  const { system, places, installed, root } = search;
  const { folders, told } = places;
  if (system.platform === 'win32') return 'There is no port for Windows yet';
  const own = told === undefined ? root : (folders[0] ?? root);
  const refusal = refusalOf(own);
  if (refusal !== undefined) {
    const remedy = remedyOf(refusal.message, { file: own, error: refusal }, search);
    return `${own} cannot be read (${refusal.code}). ${remedy}`;
  }
  const looked = `None was found in build/ and prebuilds/ of ${folders.join(', ')}`;
  if (told === undefined && !installed) {
    return (
      `${looked}. This code was bundled, and an addon cannot be: declare iotkit-ota as external ` +
      'and install it beside the bundle, or put its folder prebuilds/ beside the executable, or ' +
      `name the addon by ${variable}`
    );
  }
  const others = systemsIn(own);
  const rest = others.length > 0 ? ` The prebuilt ones are for ${others.sort().join(', ')}.` : '';
  return `${looked}.${rest} ${capital(compile)}`;
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

const codeOf = (error: unknown): unknown => (error as { readonly code?: unknown })?.code;

const nameOfError = (error: unknown): string =>
  String((error as { readonly name?: unknown })?.name);

const messageOf = (error: unknown): string =>
  error instanceof Error ? error.message : String(error);
