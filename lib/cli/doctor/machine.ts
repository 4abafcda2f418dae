/** The checks `system`, `libc` and `node`: what this machine is, told by the program that runs. */
import os from 'node:os';
import { readElf } from '../../addon/elf';
import { glibcVersion } from '../../addon/system';
import { type Facts, type Finding, fail, ok, warn } from './finding';
import { isOlder } from './symbol-versions';

// --- system ---

const platforms = ['linux', 'darwin'];
const architectures = ['x64', 'arm64', 'arm'];

export interface System {
  readonly platform: string;
  readonly arch: string;
  readonly kernel: string;
  /** Of `arm`: the oldest instruction set the runtime was compiled for, as `7`. */
  readonly armVersion: string | undefined;
}

export function thisSystem(): System {
  const { arm_version } = process.config.variables as { arm_version?: string };
  return {
    platform: process.platform,
    arch: process.arch,
    kernel: os.release(),
    armVersion: process.arch === 'arm' ? arm_version : undefined,
  };
}

export function checkSystem({ platform, arch, kernel, armVersion }: System): Finding {
  const facts = { platform, arch, kernel, armVersion: armVersion ?? null };
  const name = `${platform} ${arch}${armVersion === undefined ? '' : `v${armVersion}`}`;
  if (!platforms.includes(platform)) {
    return fail(
      `${name}: there is no port to this system`,
      'Use Linux or macOS; docs/platforms.md of the package lists the machines it runs on.',
      facts,
    );
  }
  const isKnown = architectures.includes(arch) && !(arch === 'arm' && Number(armVersion) < 7);
  if (isKnown) return ok(`${name}, kernel ${kernel}`, facts);
  return warn(
    `${name}: no prebuilt addon is made for this processor`,
    '`npx iotkit-ota build` compiles one here; it needs a C and a C++ compiler.',
    facts,
  );
}

// --- libc ---

export interface Libc {
  readonly platform: string;
  /** Of the running program; undefined: it is static, or could not be read. */
  readonly interpreter: string | undefined;
  /** What the runtime says of the glibc in its process. */
  readonly glibc: string | undefined;
}

/** The oldest that a prebuilt addon is made for. */
const OLDEST_GLIBC = '2.17';

export function thisLibc(): Libc {
  return {
    platform: process.platform,
    interpreter: process.platform === 'linux' ? readElf(process.execPath)?.interpreter : undefined,
    glibc: glibcVersion() || undefined,
  };
}

/** `glibc`, `musl`, or undefined: neither can be told. */
export function libcName({ interpreter, glibc }: Libc): 'glibc' | 'musl' | undefined {
  if (interpreter?.includes('ld-musl') === true) return 'musl';
  return glibc !== undefined || interpreter?.includes('/ld') === true ? 'glibc' : undefined;
}

export function checkLibc(libc: Libc): Finding {
  const { platform, interpreter, glibc } = libc;
  const name = platform === 'linux' ? libcName(libc) : undefined;
  const facts = { name: name ?? null, version: glibc ?? null, interpreter: interpreter ?? null };
  if (platform !== 'linux') return ok(`that of ${platform}`, facts);
  if (name === undefined) {
    return warn(
      'the running program names no loader: it is static, or its file cannot be read',
      'A static program cannot load an addon. Use a runtime that is linked with glibc or musl.',
      facts,
    );
  }
  const shown = `${name}${glibc === undefined ? '' : ` ${glibc}`}`;
  if (name === 'glibc' && glibc !== undefined && isOlder(glibc, OLDEST_GLIBC)) {
    return warn(
      `${shown} is older than ${OLDEST_GLIBC}, which prebuilt addons are made for`,
      '`npx iotkit-ota build` compiles an addon here; or use a newer system.',
      facts,
    );
  }
  return ok(interpreter === undefined ? shown : `${shown}, loader ${interpreter}`, facts);
}

// --- node ---

const OLDEST_NODE = 20;
const OLDEST_NAPI = 8;

export interface Runtime {
  /** `process.versions`. */
  readonly versions: Readonly<Record<string, string | undefined>>;
  readonly execPath: string;
  /** Of the command line and of NODE_OPTIONS. */
  readonly flags: readonly string[];
}

export function thisRuntime(): Runtime {
  const fromEnvironment = process.env.NODE_OPTIONS?.split(/\s+/) ?? [];
  return {
    versions: process.versions,
    execPath: process.execPath,
    flags: [...process.execArgv, ...fromEnvironment],
  };
}

export function checkNode({ versions, execPath, flags }: Runtime): Finding {
  const other = (['bun', 'deno', 'electron'] as const).find((it) => versions[it] !== undefined);
  const shown = other === undefined ? 'Node.js' : `${other} ${versions[other]}, as Node.js`;
  const noAddons = flags.includes('--no-addons');
  const facts: Facts = {
    runtime: other ?? 'node',
    version: versions[other ?? 'node'] ?? null,
    node: versions.node ?? null,
    napi: Number(versions.napi ?? 0),
    execPath,
    noAddons,
  };
  const summary = `${shown} ${versions.node}, Node-API ${versions.napi ?? 'none'}`;
  if (noAddons) {
    return fail(
      `${summary}, started with --no-addons`,
      'Start without --no-addons; look into NODE_OPTIONS, too.',
      facts,
    );
  }
  const isOld = Number(versions.node?.split('.')[0]) < OLDEST_NODE;
  if (!isOld && Number(versions.napi ?? 0) >= OLDEST_NAPI) return ok(summary, facts);
  return fail(
    `${summary} is too old`,
    `Use Node.js ${OLDEST_NODE} or newer, with Node-API ${OLDEST_NAPI}.`,
    facts,
  );
}
