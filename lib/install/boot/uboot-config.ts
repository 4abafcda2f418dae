// Tested by test/unit/install/boot/uboot.test.ts.
/** The configuration of U-Boot's tools. Apart from `uboot.ts`, so that nothing else is loaded. */

/** @internal How many copies a `fw_env.config` names: a line of device, offset and size for each. */
export function copiesOf(text: string): number {
  const lines = text.split('\n').map((line) => line.trim());
  return lines.filter((line) => !line.startsWith('#') && line.split(/\s+/).length >= 3).length;
}
