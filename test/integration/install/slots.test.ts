import { grubChooser, systemdBootChooser } from '../../support/boot-choosers';
import { given, testInstaller } from '../../support/installer-contract';
import { SlotMachine } from '../../support/slot-machine';

// The slots are files; the boot loaders are played, because none runs without a machine of its own.

testInstaller('A/B partitions with GRUB', () => SlotMachine.open(grubChooser));
testInstaller('A/B partitions with systemd-boot', () => SlotMachine.open(systemdBootChooser));

describe('A/B partitions', () => {
  let machine: SlotMachine;
  beforeEach(async () => {
    machine = await SlotMachine.open(grubChooser);
  });
  afterEach(() => machine.close());

  test.each<[string, object, string]>([
    [
      'another digest',
      { digest: { method: 'md5', value: '00'.repeat(16) } },
      'ERR_DIGEST_MISMATCH',
    ],
    ['another size', { size: 1000 }, 'ERR_SIZE_MISMATCH'],
    ['more bytes than the slot has', { size: 5_000_000 }, 'ERR_NO_SPACE'],
    ['a file that is not there', { path: '/nonexistent/image' }, 'ERR_FILE_NOT_FOUND'],
    ['no bytes at all', { path: undefined }, 'ERR_INSTALL_FAILED'],
  ])('an image with %s is not installed', async (_, more, code) => {
    const image = given(await machine.image('2.0.0'), 'path');
    await expect(machine.installer.install({ ...image, ...more })).rejects.toMatchObject({ code });
    const { booted, next, slots } = await machine.installer.status();
    expect(next).toBe(booted);
    expect(slots.find(({ name }) => name !== booted)?.state).toBe('bad');
  });

  test('while it installs, another call is refused', async () => {
    const image = await machine.image('2.0.0');
    const first = machine.installer.install(given(image, 'path'));
    await expect(machine.installer.install(given(image, 'path'))).rejects.toMatchObject({
      code: 'ERR_INSTALL_BUSY',
    });
    await first;
  });

  test('a trial does not overwrite what it would fall back to', async () => {
    const image = given(await machine.image('2.0.0'), 'path');
    await machine.installer.activate((await machine.installer.install(image)).slot);
    await machine.restart();
    await expect(machine.installer.install(image)).rejects.toMatchObject({
      code: 'ERR_BOOT_STATE',
      message: expect.stringContaining('B runs as a trial; confirm it'),
    });
    expect(await machine.versionIn('A')).toBe('1.0.0');
  });

  test('nor does a system that has used up its own tries', async () => {
    const image = given(await machine.image('2.0.0'), 'path');
    const { slot } = await machine.installer.install(image);
    for (let starts = 0; starts < 3; starts += 1) await machine.restart();
    const expected = {
      code: 'ERR_BOOT_STATE',
      message: expect.stringContaining('A runs, and may not start again'),
    };
    await expect(machine.installer.activate(slot)).rejects.toMatchObject(expected);
    await expect(machine.installer.install(image)).rejects.toMatchObject(expected);
    await machine.installer.markGood();
    await machine.installer.activate(slot);
  });

  test('the only slot that can start is not marked bad', async () => {
    await expect(machine.installer.markBad('A')).rejects.toMatchObject({
      code: 'ERR_BOOT_STATE',
      message: expect.stringContaining('no other slot than A can start'),
    });
    expect((await machine.installer.status()).next).toBe('A');
  });
});
