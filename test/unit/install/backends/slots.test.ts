import { type SlotsInstallerOptions, slotsInstaller } from '../../../../lib/install/backends/slots';

// What it does: test/integration/install/slots.test.ts.

const options: SlotsInstallerOptions = {
  slots: { A: '/dev/a', B: '/dev/b' },
  environment: { loader: 'grub' },
};

test('says what it can do', () => {
  expect(slotsInstaller(options)).toMatchObject({
    kind: 'slots',
    takes: 'stream',
    activates: false,
    restarts: 'machine',
    fallsBack: true,
  });
});

test.each<[string, object, RegExp]>([
  ['no slots', { slots: undefined }, /^slots must be an object/],
  ['one slot', { slots: { A: '/dev/a' } }, /^slots must have two slots or more/],
  ['a name that no variable can have', { slots: { 'A B': '/a', B: '/b' } }, /^a name in slots/],
  ['a relative device', { slots: { A: 'a', B: '/b' } }, /^slots\.A must be an absolute path/],
  ['a booted slot that is none', { booted: 'C' }, /^booted must be one of A, B/],
  ['an odd key', { booted: { commandLine: 'a b' } }, /^booted\.commandLine/],
  ['a command that is none', { reboot: 'reboot' }, /^reboot must be an array of a program/],
  ['a misspelt option', { slot: {} }, /^options has no option slot/],
])('%s is refused', (_, more, message) => {
  expect(() => slotsInstaller({ ...options, ...more })).toThrow(message);
});
