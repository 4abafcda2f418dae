import { truncate, writeFile } from 'node:fs/promises';
import type { InstallProgress } from '../../../lib/install/installer';
import { given, testInstaller } from '../../support/installer-contract';
import { MenderMachine } from '../../support/mender';

testInstaller('Mender', () => MenderMachine.open(false));

describe('Mender', () => {
  let machine: MenderMachine;
  beforeEach(async () => {
    machine = await MenderMachine.open(false);
  });
  afterEach(() => machine?.close());

  async function install(version: string): Promise<string> {
    const { slot } = await machine.installer.install(given(await machine.image(version), 'path'));
    return slot;
  }

  const trialOf = (slot: 'A' | 'B') => ({
    mender_boot_part: machine.number(slot),
    upgrade_available: '1',
    bootcount: '0',
  });

  test('a trial that the client does not know of, for the power was cut, is confirmed', async () => {
    await install('2.0.0');
    await machine.client('rollback');
    await machine.setVariables(trialOf('B'));
    await machine.restart();
    await machine.installer.markGood();
    const { booted, next, slots } = await machine.installer.status();
    expect({ booted, next }).toEqual({ booted: 'B', next: 'B' });
    expect(slots).toContainEqual({ name: 'B', state: 'good' });
    expect((await machine.client('show-artifact')).stdout.trim()).toBe('2.0.0');
  });

  test('or rolled back', async () => {
    await install('2.0.0');
    await machine.client('rollback');
    await machine.setVariables(trialOf('B'));
    await machine.restart();
    await machine.installer.markBad('B');
    expect(await machine.variables()).toMatchObject({
      mender_boot_part: machine.number('A'),
      upgrade_available: '0',
    });
    await machine.restart();
    expect((await machine.installer.status()).booted).toBe('A');
  });

  test('what was installed and waits for its restart is not committed by a healthy start', async () => {
    await install('2.0.0');
    await machine.installer.markGood();
    expect(await machine.variables()).toMatchObject(trialOf('B'));
  });

  test('a trial installs nothing: the other slot is its way back', async () => {
    await install('2.0.0');
    await machine.restart();
    await expect(install('3.0.0')).rejects.toMatchObject({ code: 'ERR_BOOT_STATE' });
    expect(await machine.versionIn('A')).toBe('1.0.0');
  });

  test('after the boot loader has gone back, the next one installs', async () => {
    await install('2.0.0');
    await machine.restart();
    await machine.restart();
    await machine.installer.markGood();
    await install('3.0.0');
    await machine.restart();
    await machine.installer.markGood();
    expect(await machine.versionIn((await machine.installer.status()).booted)).toBe('3.0.0');
    expect((await machine.client('show-artifact')).stdout.trim()).toBe('3.0.0');
  });

  test('each failure says why, in the words of the client', async () => {
    const image = await machine.image('2.0.0');
    const damaged = Buffer.from(image.bytes);
    damaged.fill('x', damaged.length - 100_000, damaged.length - 90_000);
    for (const [bytes, code, reason] of [
      [damaged, 'ERR_INSTALL_REFUSED', /checksum/],
      [Buffer.from('no archive'), 'ERR_INSTALL_REFUSED', /failed to read Artifact/],
      [image.bytes.subarray(0, 1_000_000), 'ERR_INSTALL_REFUSED', /unexpected EOF/],
    ] as const) {
      await writeFile(image.path, bytes);
      await expect(machine.installer.install(given(image, 'path'))).rejects.toMatchObject({
        code,
        message: expect.stringMatching(reason),
      });
    }
    await truncate(machine.file('slot-B.img'), 1024 * 1024);
    await writeFile(image.path, image.bytes);
    await machine.resize('B');
    await expect(machine.installer.install(given(image, 'path'))).rejects.toMatchObject({
      code: 'ERR_NO_SPACE',
    });
    expect(await machine.installer.status()).toMatchObject({ booted: 'A', next: 'A' });
  });

  test('an artifact that is no system is refused, and is not left to be confirmed', async () => {
    const image = given(await machine.moduleArtifact('2.0.0'), 'path');
    await expect(machine.installer.install(image)).rejects.toMatchObject({
      code: 'ERR_INSTALL_REFUSED',
    });
    expect((await machine.client('commit')).code).toBe(2);
  });

  test('progress says what is being done', async () => {
    const seen: InstallProgress[] = [];
    await machine.installer.install(given(await machine.image('2.0.0'), 'path'), {
      onProgress: (progress) => seen.push(progress),
    });
    expect(seen.some(({ fraction }) => fraction > 0 && fraction < 1)).toBe(true);
    expect(seen.map(({ step }) => step).join('\n')).toMatch(/Opening device .* for writing/);
    expect(seen.at(-1)?.fraction).toBe(1);
  });

  test('no client, no configuration, and one without partitions', async () => {
    const image = given(await machine.image('2.0.0'), 'path');
    const without = machine.withOptions({ command: ['no-such-mender'] });
    const expected = { code: 'ERR_INSTALL_UNAVAILABLE' };
    await expect(without.install(image)).rejects.toMatchObject(expected);
    const unconfigured = machine.withOptions({ config: machine.file('none.conf') });
    await expect(unconfigured.status()).rejects.toMatchObject(expected);
    await machine.configure({ RootfsPartB: undefined });
    await expect(machine.installer.status()).rejects.toMatchObject({
      code: 'ERR_INSTALL_SETUP',
      message: expect.stringContaining('RootfsPartB'),
    });
  });
});
