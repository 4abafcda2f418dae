import { checkEnvironment, type EnvironmentOption } from '../../../../lib/install/boot/options';

const own = {
  kind: 'mine',
  check: async () => {},
  read: async () => ({ next: 'A', states: new Map() }),
  disable: async () => {},
  activate: async () => {},
  confirm: async () => {},
};

test.each<[EnvironmentOption, string]>([
  [{ loader: 'grub' }, 'grub'],
  [{ loader: 'grub', file: '/efi/grubenv', tries: 1, okName: 'ok_*' }, 'grub'],
  [{ loader: 'u-boot', singleCopy: 'warn' }, 'u-boot'],
  [{ loader: 'u-boot', scheme: 'bootcount', slotName: 'rootpart' }, 'u-boot'],
  [{ loader: 'systemd-boot', entries: '/efi/loader/entries' }, 'systemd-boot'],
  [own, 'mine'],
])('%j', (given, kind) => {
  expect(checkEnvironment('environment', given).kind).toBe(kind);
});

test.each<[string, unknown, RegExp]>([
  ['nothing', undefined, /^environment must be \{ loader \} or a BootEnvironment/],
  ['another loader', { loader: 'lilo' }, /^environment\.loader must be one of grub, u-boot/],
  ['a misspelt option', { loader: 'grub', path: '/a' }, /^environment has no option path/],
  ['a relative path', { loader: 'grub', file: 'grubenv' }, /^environment\.file must be an absol/],
  ['no place for the slot', { loader: 'grub', okName: 'OK' }, /^environment\.okName must be/],
  ['no tries', { loader: 'u-boot', tries: 0 }, /^environment\.tries must be/],
  ['a half environment', { ...own, confirm: 1 }, /^environment\.confirm must be a function/],
])('%s is refused', (_, given, message) => {
  expect(() => checkEnvironment('environment', given as EnvironmentOption)).toThrow(message);
});
