import { readFile, writeFile } from 'node:fs/promises';
import { checkEnvironment } from '../../../lib/install/boot/options';
import { ubootChooser, ubootVariables } from '../../support/boot-choosers';
import { testInstaller } from '../../support/installer-contract';
import { runWell } from '../../support/process';
import { SlotFolder, SlotMachine } from '../../support/slot-machine';

// Over the real fw_printenv and fw_setenv; what U-Boot does at a start is played.

const slots = ['A', 'B'];

for (const scheme of ['order', 'bootcount'] as const) {
  testInstaller(`A/B partitions with U-Boot, ${scheme}`, () =>
    SlotMachine.open((folder) => ubootChooser(folder, scheme)),
  );
}

describe('the environment of U-Boot', () => {
  let folder: SlotFolder;
  beforeEach(async () => {
    folder = await SlotFolder.open();
  });
  afterEach(() => folder.remove());

  async function open() {
    const { environment } = await ubootChooser(folder, 'order');
    const copies = [folder.file('uboot-1.env'), folder.file('uboot-2.env')];
    return {
      environment: checkEnvironment('environment', environment),
      config: folder.file('fw_env.config'),
      copies,
      contents: () => Promise.all(copies.map((file) => readFile(file, 'latin1'))),
    };
  }

  test('a change is one write, into one copy; one that is in force is none', async () => {
    const { environment, config, contents } = await open();
    const before = await contents();
    await environment.activate('B', slots);
    const changed = await contents();
    expect(changed.filter((content, i) => content !== before[i])).toHaveLength(1);
    expect(await ubootVariables(config)).toMatchObject({ BOOT_ORDER: 'B A', board: 'test' });
    await environment.activate('B', slots);
    expect(await contents()).toEqual(changed);
  });

  test('whether an activation has room is known to the byte, and without a write', async () => {
    const { environment, config, contents } = await open();
    const used = (await runWell('fw_printenv', ['-c', config])).length;
    const [head, end, trial] = [5, 1, 'iotkit_trial=B\0'.length];
    const room = 0x4000 - used - head - end - trial - 'fill=\0'.length;
    await runWell('fw_setenv', ['-c', config, 'fill', 'x'.repeat(room + 1)]);
    const before = await contents();
    const full = {
      code: 'ERR_BOOT_STATE',
      message: expect.stringContaining('has 16384 bytes, and needs 16385;'),
    };
    await expect(environment.check(slots)).rejects.toMatchObject(full);
    await expect(environment.activate('B', slots)).rejects.toMatchObject(full);
    expect(await contents()).toEqual(before);
    await runWell('fw_setenv', ['-c', config, 'fill', 'x'.repeat(room)]);
    await environment.check(slots);
    await environment.activate('B', slots);
    expect((await environment.read(slots)).next).toBe('B');
  });

  test('a variable may say "using default"', async () => {
    const { environment, config } = await open();
    await runWell('fw_setenv', ['-c', config, 'findfdt', 'echo using default device tree']);
    await environment.activate('B', slots);
    expect((await environment.read(slots)).next).toBe('B');
  });

  test('one copy is damaged: the other one counts', async () => {
    const { environment, copies } = await open();
    await environment.activate('B', slots);
    const state = await environment.read(slots);
    await environment.activate('A', slots);
    await writeFile(copies[0] as string, Buffer.alloc(16_384));
    expect(['A', 'B']).toContain((await environment.read(slots)).next);
    expect(state.next).toBe('B');
  });

  test('both are: nothing is read, and nothing written over them', async () => {
    const { environment, copies, contents } = await open();
    for (const copy of copies) await writeFile(copy, Buffer.alloc(16_384));
    const before = await contents();
    const expected = { code: 'ERR_BOOT_STATE', message: expect.stringContaining('fw_printenv') };
    await expect(environment.read(slots)).rejects.toMatchObject(expected);
    await expect(environment.activate('B', slots)).rejects.toMatchObject(expected);
    expect(await contents()).toEqual(before);
  });
});
