import { checkEnvironment } from '../../../lib/install/boot/options';
import { grubChooser } from '../../support/boot-choosers';
import { runWell } from '../../support/process';
import { SlotFolder } from '../../support/slot-machine';

test("GRUB's own editor reads what is written, and the other way round", async () => {
  const folder = await SlotFolder.open();
  try {
    const { environment: option } = await grubChooser(folder);
    const file = folder.file('grubenv');
    await runWell('grub-editenv', [file, 'create']);
    await runWell('grub-editenv', [file, 'set', 'ORDER=A B', 'A_OK=1', 'B_OK=0', 'path=a\\b']);
    const environment = checkEnvironment('environment', option);
    expect((await environment.read(['A', 'B'])).next).toBe('A');
    await environment.activate('B', ['A', 'B']);
    expect((await runWell('grub-editenv', [file, 'list'])).trim().split('\n').sort()).toEqual(
      ['A_OK=1', 'B_OK=1', 'B_TRY=0', 'ORDER=B A', 'iotkit_trial=B', 'path=a\\b'].sort(),
    );
  } finally {
    await folder.remove();
  }
});
