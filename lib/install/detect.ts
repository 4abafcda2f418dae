/**
 * Which installers this machine has: their tools, sockets and configuration files. Only looks at
 * files; nothing is run and nothing is changed. `iotkit-ota doctor` uses it as well.
 */
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { copiesOf, devicesOf } from './boot/uboot-config';

/** One way to install that a machine might have. */
export interface DetectedInstaller {
  /** As `Installer.kind` has it. */
  readonly kind: 'rauc' | 'swupdate' | 'mender' | 'slots';
  /** The boot loader, for `slots`. */
  readonly loader?: 'grub' | 'u-boot' | 'systemd-boot';
  /** What it has of it: tools and files, by their paths. */
  readonly found: readonly string[];
  /** What is missing for it to work; none: it can be used. */
  readonly missing: readonly string[];
}

/** Options of {@link detectInstallers}. */
export interface DetectOptions {
  /** Where to look for tools. Default: the variable `PATH`, and the usual folders. */
  readonly searchPath?: string | undefined;
  /** What to take for `/`. Default `/`. */
  readonly root?: string | undefined;
}

/** Folders of system tools, which the PATH of a service often leaves out. */
const more = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

const menderFiles = ['/etc/mender/mender.conf', '/var/lib/mender/mender.conf'] as const;

/** @internal Where updaters and libubootenv look for their configuration, the usual place first. */
export const configurations = {
  mender: menderFiles,
  'mender-update': menderFiles,
  rauc: ['/etc/rauc/system.conf', '/run/rauc/system.conf', '/usr/lib/rauc/system.conf'],
  fw_printenv: ['/etc/fw_env.config', '/etc/u-boot-initial-env'],
} as const;

/**
 * Finds the installers that this machine has something of, each with what is missing. The most
 * specific comes first: RAUC, SWUpdate, Mender, then the boot loaders for A/B partitions. An empty list: a
 * machine with one system.
 *
 * @example
 * const usable = detectInstallers().filter(({ missing }) => missing.length === 0);
 */
export function detectInstallers(options: DetectOptions = {}): DetectedInstaller[] {
  const machine = new Machine(options.searchPath ?? process.env.PATH ?? '', options.root ?? '/');
  return [rauc, swupdate, mender, uboot, grub, systemdBoot]
    .map((look) => look(machine))
    .filter(({ found }) => found.length > 0);
}

/** @internal Files of a machine, whose `/` may be another folder in tests. */
export class Machine {
  readonly #folders: readonly string[];

  constructor(
    searchPath: string,
    private readonly root: string,
  ) {
    this.#folders = [...searchPath.split(path.delimiter).filter(path.isAbsolute), ...more];
  }

  /** The path of a program; undefined: there is none of that name. */
  tool(name: string): string | undefined {
    const folder = this.#folders.find((it) => this.#isProgram(path.join(it, name)));
    return folder === undefined ? undefined : path.join(folder, name);
  }

  /** The first of these paths that is there. */
  first(files: readonly string[]): string | undefined {
    return files.find((file) => existsSync(path.join(this.root, file)));
  }

  /** The content of a file, a character for each byte; `''`: it cannot be read. */
  text(file: string): string {
    try {
      return readFileSync(path.join(this.root, file), 'latin1');
    } catch {
      return '';
    }
  }

  /** Whether this user may write to a file or device; false where it is missing. */
  isWritable(file: string): boolean {
    try {
      accessSync(path.join(this.root, file), constants.W_OK);
      return true;
    } catch {
      return false;
    }
  }

  /** The names in a folder. */
  names(folder: string): readonly string[] {
    try {
      return readdirSync(path.join(this.root, folder));
    } catch {
      return [];
    }
  }

  #isProgram(file: string): boolean {
    try {
      accessSync(path.join(this.root, file), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  }
}

/** What is there and what is not; a part without a path is one that is missing. */
function sorted(parts: ReadonlyArray<readonly [found: string | undefined, missing: string]>) {
  return {
    found: parts.flatMap(([found]) => found ?? []),
    missing: parts.flatMap(([found, missing]) => (found === undefined ? [missing] : [])),
  };
}

function rauc(machine: Machine): DetectedInstaller {
  const service = machine.tool('rauc');
  if (service === undefined) return { kind: 'rauc', found: [], missing: ['rauc'] };
  const [usual] = configurations.rauc;
  const parts = sorted([
    [service, 'rauc'],
    [machine.first(configurations.rauc), usual],
    [machine.tool('busctl'), 'busctl, which comes with systemd'],
  ]);
  return { kind: 'rauc', ...parts };
}

function swupdate(machine: Machine): DetectedInstaller {
  const client = machine.tool('swupdate-client');
  if (client === undefined) return { kind: 'swupdate', found: [], missing: ['swupdate-client'] };
  const sockets = ['/run/swupdate/sockinstctrl', '/tmp/sockinstctrl'];
  const socket = machine.first(sockets);
  const parts = sorted([
    [client, 'swupdate-client'],
    [socket, `a running daemon: there is no ${sockets.join(' and no ')}`],
  ]);
  return { kind: 'swupdate', ...parts };
}

function mender(machine: Machine): DetectedInstaller {
  const client = machine.tool('mender-update') ?? machine.tool('mender');
  if (client === undefined) return { kind: 'mender', found: [], missing: ['mender'] };
  const [usual, fallback] = configurations.mender;
  const text = [usual, fallback].map((file) => machine.text(file)).join('');
  const print = machine.tool('grub-mender-grubenv-print') ?? machine.tool('fw_printenv');
  const parts = sorted([
    [client, 'mender'],
    [machine.first(configurations.mender), usual],
    [print, 'grub-mender-grubenv-print, or fw_printenv of libubootenv'],
  ]);
  const partitions = ['RootfsPartA', 'RootfsPartB'].filter((name) => !text.includes(`"${name}"`));
  const unnamed = partitions.map((name) => `${name} in ${usual}`);
  return { kind: 'mender', ...parts, missing: [...parts.missing, ...unnamed] };
}

function uboot(machine: Machine): DetectedInstaller {
  const config = machine.first(['/etc/fw_env.config']);
  const copies = config === undefined ? 0 : copiesOf(machine.text(config));
  const tools = [machine.tool('fw_printenv'), machine.tool('fw_setenv')] as const;
  const parts = sorted([
    [tools[0], 'fw_printenv of libubootenv'],
    [tools[1], 'fw_setenv of libubootenv'],
    [config, '/etc/fw_env.config'],
  ]);
  const second = config !== undefined && copies < 2 ? ['a second copy of the environment'] : [];
  const places = config === undefined ? [] : devicesOf(machine.text(config));
  const closed = places
    .filter((place) => !machine.isWritable(place))
    .map((place) => `the right to write to ${place}, where the environment is`);
  const missing = [...parts.missing, ...second, ...closed];
  return { kind: 'slots', loader: 'u-boot', ...parts, missing };
}

function grub(machine: Machine): DetectedInstaller {
  const file = machine.first(['/boot/grub/grubenv', '/boot/grub2/grubenv']);
  if (file === undefined) return { kind: 'slots', loader: 'grub', found: [], missing: [] };
  const block = machine.text(file);
  const isBlock = block.length === 1024 && block.startsWith('# GRUB Environment Block\n');
  const missing = isBlock ? [] : [`an environment block in ${file}`];
  if (isBlock && !/^ORDER=/m.test(block)) missing.push(`the variable ORDER in ${file}`);
  return { kind: 'slots', loader: 'grub', found: [file], missing };
}

function systemdBoot(machine: Machine): DetectedInstaller {
  const folders = ['/boot/loader/entries', '/efi/loader/entries', '/boot/efi/loader/entries'];
  const folder = machine.first(folders);
  const found = folder === undefined ? [] : [folder];
  const isEntry = (name: string): boolean => /^iotkit-\d+-\w+(\+.*)?\.conf/.test(name);
  const entries = found.flatMap((it) => machine.names(it)).filter(isEntry);
  const missing = entries.length >= 2 ? [] : ['an entry iotkit-NUMBER-SLOT.conf for each slot'];
  return { kind: 'slots', loader: 'systemd-boot', found, missing };
}
