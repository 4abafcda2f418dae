import { checkEnvironment } from '../../../lib/install/boot/options';
import { grubChooser, systemdBootChooser } from '../../support/boot-choosers';
import { runWell } from '../../support/process';
import { SlotFolder } from '../../support/slot-machine';

// A boot partition that is mounted read-only, which only root can do.

test.each([
  ['GRUB', grubChooser],
  ['systemd-boot', systemdBootChooser],
])('%s: that nothing can be written is found before an update', async (_, chooser) => {
  const folder = await SlotFolder.open();
  const { environment: option } = await chooser(folder);
  const environment = checkEnvironment('environment', option);
  await environment.check(['A', 'B']);
  await runWell('mount', ['--bind', folder.directory, folder.directory]);
  try {
    await runWell('mount', ['-o', 'remount,bind,ro', folder.directory]);
    await expect(environment.check(['A', 'B'])).rejects.toMatchObject({
      code: 'ERR_BOOT_STATE',
      message: expect.stringContaining('EROFS'),
    });
  } finally {
    await runWell('umount', [folder.directory]);
    await folder.remove();
  }
});
