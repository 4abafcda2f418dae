/** What an addon has to fit: the system this process runs on. */
import { readElf } from './elf';

export type Libc = 'glibc' | 'musl';

export interface System {
  readonly platform: string;
  readonly arch: string;
  /** Of Linux. */
  readonly libc: Libc | undefined;
  /** The version of the ARM architecture that the runtime was built for, such as `7`. */
  readonly armVersion: string | undefined;
}

/** Of this process. */
export function currentSystem(): System {
  const { platform, arch } = process;
  const config = process.config?.variables as { readonly arm_version?: unknown } | undefined;
  const armVersion = arch === 'arm64' ? '8' : config?.arm_version;
  return {
    platform,
    arch,
    libc: platform === 'linux' ? libcOf(process.execPath) : undefined,
    armVersion: arch.startsWith('arm') && armVersion ? String(armVersion) : undefined,
  };
}

/**
 * The C library that an executable runs with. What counts is the executable and not the distribution: a
 * glibc build of Node.js runs on Alpine, and one of musl on Debian.
 */
export function libcOf(executable: string): Libc {
  const interpreter = readElf(executable)?.interpreter;
  if (interpreter?.includes('ld-musl')) return 'musl';
  if (interpreter !== undefined) return 'glibc';
  return libcOfReport() ?? 'glibc';
}

/** Slower, by milliseconds: for a static executable, and one that must not be read. */
function libcOfReport(): Libc | undefined {
  const version = glibcVersion();
  if (version === undefined) return undefined;
  return version === '' ? 'musl' : 'glibc';
}

/** The version of glibc that this process runs with; empty: another libc; undefined: nobody knows. */
export function glibcVersion(): string | undefined {
  try {
    const { header } = localReport() as { readonly header: { glibcVersionRuntime?: string } };
    return header.glibcVersionRuntime ?? '';
  } catch {
    return undefined;
  }
}

/** Without names of the network, which would be looked up; what the program has chosen stays. */
function localReport(): object {
  const report = process.report as NodeJS.ProcessReport & { excludeNetwork?: boolean | undefined };
  const before = report.excludeNetwork;
  report.excludeNetwork = true;
  try {
    return report.getReport();
  } finally {
    report.excludeNetwork = before;
  }
}

/** As people write it: `linux-x64 (glibc)`. */
export function nameOf({ platform, arch, libc }: System): string {
  return `${platform}-${arch}${libc ? ` (${libc})` : ''}`;
}
