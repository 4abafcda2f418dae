/** The option `environment` of installers with slots, checked: which boot loader, and where. */
import {
  callback,
  options as checkOptions,
  integer,
  oneOf,
  orElse,
  text,
  wrongType,
} from '../../base/arguments';
import { type BootEnvironment, VariableEnvironment } from './environment';
import { grubenvStore } from './grubenv';
import { bootCount, orderAndLeft, orderAndTries } from './schemes';
import { SystemdBoot } from './systemd-boot';
import { ubootStore } from './uboot';

/** GRUB, with its environment block in a file. */
export interface GrubEnvironment {
  /** GRUB. */
  readonly loader: 'grub';
  /** The block. Default `/boot/grub/grubenv`. */
  readonly file?: string | undefined;
  /** Starts that a slot may need until it is confirmed, as the boot script counts them, 1-9. Default 3. */
  readonly tries?: number | undefined;
  /** The variable with the slots in their order. Default `ORDER`. */
  readonly orderName?: string | undefined;
  /** The one that says 1 where a slot may start, with `*` for the slot. Default `*_OK`. */
  readonly okName?: string | undefined;
  /** The one that GRUB counts up, with `*` for the slot. Default `*_TRY`. */
  readonly triesName?: string | undefined;
}

/** U-Boot, with its environment behind libubootenv's tools. */
export interface UbootEnvironment {
  /** U-Boot. */
  readonly loader: 'u-boot';
  /** Their configuration. Default `/etc/fw_env.config`. */
  readonly config?: string | undefined;
  /**
   * How the boot script counts. `'order'` (default): `BOOT_ORDER` and `BOOT_*_LEFT`, as RAUC's;
   * `'bootcount'`: U-Boot's own `bootcount`, `bootlimit`, `upgrade_available` and `altbootcmd`.
   */
  readonly scheme?: 'order' | 'bootcount' | undefined;
  /** Starts that a slot may need until it is confirmed, 1-9. Default 3. */
  readonly tries?: number | undefined;
  /** Default `BOOT_ORDER`; for `'order'`. */
  readonly orderName?: string | undefined;
  /** Default `BOOT_*_LEFT`, with `*` for the slot; for `'order'`. */
  readonly leftName?: string | undefined;
  /** The variable that names the slot to start. Default `slot`; for `'bootcount'`. */
  readonly slotName?: string | undefined;
  /**
   * What to do where the environment has one copy alone, which a power cut can destroy: `'refuse'`
   * (default, `ERR_INSTALL_SETUP`), or `'warn'` by a process warning `IOTKIT_SINGLE_ENVIRONMENT`.
   */
  readonly singleCopy?: 'refuse' | 'warn' | undefined;
}

/** systemd-boot, which counts in the names of its entries: `PREFIX-NUMBER-SLOT.conf`. */
export interface SystemdBootEnvironment {
  /** systemd-boot. */
  readonly loader: 'systemd-boot';
  /** The folder with the entries. Default `/boot/loader/entries`. */
  readonly entries?: string | undefined;
  /** What the names of the slots' entries begin with. Default `iotkit`. */
  readonly prefix?: string | undefined;
  /** Starts that a slot may need until it is confirmed, 1-9. Default 3. */
  readonly tries?: number | undefined;
}

/** Which boot loader chooses between the slots; an object with `read()` is one of the program's own. */
export type EnvironmentOption =
  | GrubEnvironment
  | UbootEnvironment
  | SystemdBootEnvironment
  | BootEnvironment;

/** @internal Throws an {@link InvalidArgument} that names the option. */
export function checkEnvironment(name: string, given: EnvironmentOption): BootEnvironment {
  if (typeof given !== 'object' || given === null) {
    throw wrongType(name, '{ loader } or a BootEnvironment', given);
  }
  if ('read' in given) return checkOwn(name, given);
  const loader = oneOf(`${name}.loader`, given.loader, ['grub', 'u-boot', 'systemd-boot']);
  if (loader === 'grub') return grub(name, given as GrubEnvironment);
  if (loader === 'u-boot') return uboot(name, given as UbootEnvironment);
  return systemdBoot(name, given as SystemdBootEnvironment);
}

function checkOwn(name: string, own: BootEnvironment): BootEnvironment {
  for (const method of ['check', 'read', 'disable', 'activate', 'confirm'] as const) {
    callback(`${name}.${method}`, own[method]);
  }
  return own;
}

function grub(name: string, given: GrubEnvironment): BootEnvironment {
  const keys = ['loader', 'file', 'tries', 'orderName', 'okName', 'triesName'] as const;
  const options = checkOptions<GrubEnvironment>(name, given, keys);
  const names = {
    order: variable(`${name}.orderName`, options.orderName, 'ORDER'),
    ok: perSlot(`${name}.okName`, options.okName, '*_OK'),
    tries: perSlot(`${name}.triesName`, options.triesName, '*_TRY'),
  };
  const store = grubenvStore(pathOf(`${name}.file`, options.file, '/boot/grub/grubenv'));
  return new VariableEnvironment('grub', store, orderAndTries(names, tries(name, options.tries)));
}

function uboot(name: string, given: UbootEnvironment): BootEnvironment {
  const keys = [
    'loader',
    'config',
    'scheme',
    'tries',
    'orderName',
    'leftName',
    'slotName',
    'singleCopy',
  ] as const;
  const options = checkOptions<UbootEnvironment>(name, given, keys);
  const scheme = oneOf(`${name}.scheme`, orElse(options.scheme, 'order'), ['order', 'bootcount']);
  const names = {
    order: variable(`${name}.orderName`, options.orderName, 'BOOT_ORDER'),
    tries: perSlot(`${name}.leftName`, options.leftName, 'BOOT_*_LEFT'),
  };
  const slotName = variable(`${name}.slotName`, options.slotName, 'slot');
  const limit = tries(name, options.tries);
  const store = ubootStore({
    config: pathOf(`${name}.config`, options.config, '/etc/fw_env.config'),
    singleCopy: oneOf(`${name}.singleCopy`, orElse(options.singleCopy, 'refuse'), [
      'refuse',
      'warn',
    ]),
  });
  const rules = scheme === 'order' ? orderAndLeft(names, limit) : bootCount(slotName, limit);
  return new VariableEnvironment('u-boot', store, rules);
}

function systemdBoot(name: string, given: SystemdBootEnvironment): BootEnvironment {
  const keys = ['loader', 'entries', 'prefix', 'tries'] as const;
  const options = checkOptions<SystemdBootEnvironment>(name, given, keys);
  return new SystemdBoot({
    entries: pathOf(`${name}.entries`, options.entries, '/boot/loader/entries'),
    prefix: text(`${name}.prefix`, orElse(options.prefix, 'iotkit'), {
      max: 64,
      pattern: /^[a-z0-9._]+$/,
      expected: 'small letters, digits, "." and "_"',
    }),
    tries: tries(name, options.tries),
  });
}

function tries(name: string, value: number | undefined): number {
  return integer(`${name}.tries`, orElse(value, 3), { min: 1, max: 9 });
}

function pathOf(name: string, value: string | undefined, otherwise: string): string {
  const expected = 'an absolute path';
  return text(name, orElse(value, otherwise), { max: 4095, pattern: /^\//, expected });
}

function variable(name: string, value: string | undefined, otherwise: string): string {
  const expected = 'the name of a variable';
  return text(name, orElse(value, otherwise), { max: 64, pattern: /^[A-Za-z_]\w*$/, expected });
}

function perSlot(name: string, value: string | undefined, otherwise: string): string {
  return text(name, orElse(value, otherwise), {
    max: 64,
    pattern: /^\w*\*\w*$/,
    expected: 'the name of a variable with one * for the slot',
  });
}
