import { readFile } from 'node:fs/promises';
import { slotsInstaller } from '../../../lib/install/backends/slots';
import { grubChooser } from '../../support/boot-choosers';
import { given } from '../../support/installer-contract';
import { runWell } from '../../support/process';
import { imageBytes, type SlotFolder, SlotMachine } from '../../support/slot-machine';

// Slots that are block devices: loop devices over the files, which only root can set up.

let folder: SlotFolder;
let machine: SlotMachine;
const devices: string[] = [];

beforeEach(async () => {
  machine = await SlotMachine.open(async (opened) => {
    folder = opened;
    return grubChooser(opened);
  });
  for (const slot of ['A', 'B']) {
    const device = await runWell('losetup', ['--find', '--show', folder.device(slot)]);
    devices.push(device.trim());
  }
});
afterEach(async () => {
  for (const device of devices.splice(0)) await runWell('losetup', ['--detach', device]);
  await machine.close();
});

const installer = (B = devices[1] as string) =>
  slotsInstaller({
    slots: { A: devices[0] as string, B },
    environment: { loader: 'grub', file: folder.file('grubenv') },
    booted: 'A',
  });

test('an image is written to a block device, and read back from it', async () => {
  const image = await machine.image('2.0.0');
  expect(await installer().install(given(image, 'stream'))).toEqual({ slot: 'B' });
  const found = await readFile(devices[1] as string);
  expect(found.subarray(0, image.bytes.length).equals(imageBytes('2.0.0'))).toBe(true);
});

test('one that is larger than the device is refused', async () => {
  const image = { ...given(await machine.image('2.0.0'), 'path'), size: 4 * 1024 * 1024 + 1 };
  await expect(installer().install(image)).rejects.toMatchObject({
    code: 'ERR_NO_SPACE',
    message: expect.stringContaining(`has ${4 * 1024 * 1024} bytes`),
  });
});

test('a device that is mounted is not written to', async () => {
  const device = devices[1] as string;
  await runWell('mke2fs', ['-q', '-t', 'ext4', device]);
  const place = folder.file('mounted');
  await runWell('mkdir', [place]);
  await runWell('mount', [device, place]);
  try {
    const installing = installer().install(given(await machine.image('2.0.0'), 'path'));
    await expect(installing).rejects.toMatchObject({ code: 'ERR_INSTALL_BUSY' });
  } finally {
    await runWell('umount', [place]);
  }
});

test('another node of the running device is not written to', async () => {
  const node = folder.file('node');
  await runWell('cp', ['-a', devices[0] as string, node]);
  const before = await readFile(folder.file('grubenv'));
  const installing = installer(node).install(given(await machine.image('2.0.0'), 'path'));
  await expect(installing).rejects.toMatchObject({
    code: 'ERR_INSTALL_SETUP',
    message: expect.stringContaining(`B (${node}) and A (${devices[0]}) are the same place`),
  });
  expect(await readFile(folder.file('grubenv'))).toEqual(before);
});
