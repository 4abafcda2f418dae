// Tested by test/unit/install/boot/uboot.test.ts.
/** The configuration of U-Boot's tools. Apart from `uboot.ts`, so that nothing else is loaded. */

/** @internal How many copies a `fw_env.config` names: a line of device, offset and size for each. */
export function copiesOf(text: string): number {
  return sizesOf(text).length;
}

/** @internal The bytes of each copy: hexadecimal, with or without `0x`. */
export function sizesOf(text: string): readonly number[] {
  return linesOf(text).map(([, , size = '']) => Number.parseInt(size, 16));
}

/** @internal The devices or files of the copies; those that only libubootenv can find are left out. */
export function devicesOf(text: string): readonly string[] {
  const devices = linesOf(text).map(([device = '']) => device);
  return [...new Set(devices)].filter((device) => device.startsWith('/'));
}

function linesOf(text: string): readonly (readonly string[])[] {
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([first = '', ...words]) => !first.startsWith('#') && words.length >= 2);
}
