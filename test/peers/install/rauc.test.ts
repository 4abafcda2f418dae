import { writeFile } from 'node:fs/promises';
import { raucInstaller } from '../../../lib/install/backends/rauc';
import { given, testInstaller } from '../../support/installer-contract';
import { RaucMachine } from '../../support/rauc';

testInstaller('RAUC that leaves activating to us', () => RaucMachine.open(false));

describe('RAUC', () => {
  let machine: RaucMachine;
  beforeEach(async () => {
    machine = await RaucMachine.open(false);
  });
  afterEach(() => machine?.close());

  test('the service ends in the middle: install() rejects, and the old slot starts', async () => {
    const release = await machine.hold();
    const stopped: Promise<void>[] = [];
    const installing = machine.installer.install(given(await machine.image('2.0.0'), 'path'), {
      onProgress: () => {
        if (stopped.length === 0) stopped.push(machine.stopService());
      },
    });
    await expect(installing).rejects.toMatchObject({
      code: 'ERR_INSTALL_FAILED',
      message: expect.stringContaining('ended while it installed'),
    });
    await Promise.all(stopped);
    await release();
    await machine.restart();
    expect(await machine.installer.status()).toMatchObject({
      booted: 'rootfs.0',
      next: 'rootfs.0',
      slots: expect.arrayContaining([expect.objectContaining({ name: 'rootfs.1', state: 'bad' })]),
    });
  });

  test('one installation at a time; an abort waits for its end, and leaves the slot bad', async () => {
    const release = await machine.hold();
    const image = given(await machine.image('2.0.0'), 'path');
    const abort = new AbortController();
    let begun = (): void => {};
    const isUnderWay = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const { signal } = abort;
    const first = machine.installer.install(image, { signal, onProgress: () => begun() });
    await isUnderWay;
    await expect(machine.installer.install(image)).rejects.toMatchObject({
      code: 'ERR_INSTALL_BUSY',
      retryable: true,
    });
    abort.abort(new Error('not now'));
    await release();
    await expect(first).rejects.toThrow('not now');
    const { next, slots } = await machine.installer.status();
    expect(next).toBe('rootfs.0');
    expect(slots.find(({ name }) => name === 'rootfs.1')?.state).toBe('bad');
  });

  test('a file that is no bundle', async () => {
    const image = await machine.image('2.0.0');
    await writeFile(image.path, image.bytes.subarray(0, 1_000_000));
    await expect(machine.installer.install(given(image, 'path'))).rejects.toMatchObject({
      code: 'ERR_INSTALL_REFUSED',
      message: expect.stringContaining('bundle'),
    });
  });

  test('no service, and no bus', async () => {
    await machine.stopService();
    const expected = { code: 'ERR_INSTALL_UNAVAILABLE' };
    await expect(machine.installer.status()).rejects.toMatchObject(expected);
    const nowhere = raucInstaller({ bus: 'unix:path=/nonexistent/bus' });
    await expect(nowhere.status()).rejects.toMatchObject(expected);
  });
});
