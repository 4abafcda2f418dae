/** The check `boot`: the tools of boot loaders and updaters that are installed. Runs none of them. */
import { configurations, detectInstallers, Machine } from '../../install/detect';
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

/**
 * @param searchPath the variable PATH
 * @param root where `/` is: another folder in tests
 */
export function checkBoot(searchPath: string, root = '/'): Finding {
  const machine = new Machine(searchPath, root);
  const found = Object.fromEntries(
    tools.flatMap((tool) => {
      const file = machine.tool(tool);
      return file === undefined ? [] : [[tool, file]];
    }),
  );
  const detected = detectInstallers({ searchPath, root });
  const installers = detected
    .filter(({ missing }) => missing.length === 0)
    .map(({ kind, loader }) => (loader === undefined ? kind : `${kind} (${loader})`));
  const facts = { tools: found, installers };
  const names = Object.keys(found);
  if (names.length === 0) {
    return ok('none is installed; an update that switches between systems needs one', facts);
  }
  const idle = names.find((tool) => !isConfigured(tool, machine));
  // Of the other loaders a machine has something without being updated by them.
  const lack = detected.find(({ loader }) => loader === 'u-boot')?.missing[0];
  if (idle === undefined && lack !== undefined) {
    const summary = `${names.join(', ')}; of U-Boot's environment is missing: ${lack}`;
    return warn(summary, 'See docs/install/slots.md; an update would be refused.', facts);
  }
  if (idle === undefined) return ok(names.join(', '), facts);
  const [file] = configurations[idle as keyof typeof configurations];
  return warn(`${names.join(', ')}; ${idle} has no ${file}`, `Write ${file}.`, facts);
}

/** Without its configuration a tool does nothing. */
function isConfigured(tool: string, machine: Machine): boolean {
  if (!Object.hasOwn(configurations, tool)) return true;
  const files = configurations[tool as keyof typeof configurations];
  return machine.first(files) !== undefined;
}
