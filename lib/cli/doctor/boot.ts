/** The check `boot`: the tools of boot loaders and updaters that are installed. Runs none of them. */
import { accessSync, constants, existsSync } from 'node:fs';
import path from 'node:path';
import { type Finding, ok, warn } from './finding';

const tools = [
  'rauc',
  'swupdate',
  'swupdate-client',
  'fw_printenv',
  'fw_setenv',
  'ubootenv',
  'grub-editenv',
  'bootctl',
  'mender',
  'mender-update',
];

/** Without its configuration a tool does nothing. */
const configurations: Readonly<Record<string, readonly string[]>> = {
  rauc: ['/etc/rauc/system.conf', '/run/rauc/system.conf', '/usr/lib/rauc/system.conf'],
  fw_printenv: ['/etc/fw_env.config', '/etc/u-boot-initial-env'],
};

/** Folders of system tools, which the PATH of a service often leaves out. */
const more = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/**
 * @param searchPath the variable PATH
 * @param root where `/` is: another folder in tests
 */
export function checkBoot(searchPath: string, root = '/'): Finding {
  const folders = [...searchPath.split(path.delimiter).filter(path.isAbsolute), ...more];
  const found = Object.fromEntries(
    tools.flatMap((tool) => {
      const folder = folders.find((it) => isProgram(path.join(root, it, tool)));
      return folder === undefined ? [] : [[tool, path.join(folder, tool)]];
    }),
  );
  const facts = { tools: found };
  const names = Object.keys(found);
  if (names.length === 0) {
    return ok('none is installed; an update that switches between systems needs one', facts);
  }
  const idle = names.find((tool) => !isConfigured(tool, root));
  if (idle === undefined) return ok(names.join(', '), facts);
  const [file] = configurations[idle] ?? [];
  return warn(`${names.join(', ')}; ${idle} has no ${file}`, `Write ${file}.`, facts);
}

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function isConfigured(tool: string, root: string): boolean {
  const files = configurations[tool];
  return files === undefined || files.some((file) => existsSync(path.join(root, file)));
}
