// What a tool writes decides only where it says so: not what an image has put among its words, nor what was cut off.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { commandInstaller } from '../../../../lib/install/backends/command';
import { raucInstaller } from '../../../../lib/install/backends/rauc';
import { swupdateInstaller } from '../../../../lib/install/backends/swupdate';
import { chunksOf } from '../../../support/delta';

let folder: string;
const path = process.env.PATH;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'iotkit-words-'));
  process.env.PATH = `${folder}${delimiter}${path}`;
});
afterEach(() => {
  process.env.PATH = path;
  rmSync(folder, { recursive: true });
});

function tool(name: string, text: string): string {
  writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
  return join(folder, name);
}

const bytes = Buffer.from('an image');
const image = {
  version: '2.0.0',
  module: '',
  size: bytes.length,
  open: () => chunksOf(bytes, 100),
};

describe('swupdate-client', () => {
  function installing(text: string): Promise<unknown> {
    writeFileSync(join(folder, 'sockinstctrl'), ''); // nobody answers there
    tool('swupdate-client', `cat > /dev/null\n${text}\nexit 1`);
    const environment = {
      kind: 'test',
      check: async () => {},
      read: async () => ({ next: 'A', states: new Map() }),
      disable: async () => {},
      activate: async () => {},
      confirm: async () => {},
    };
    const slots = { A: 'stable,copyA', B: 'stable,copyB' };
    const installer = swupdateInstaller({
      ...{ slots, environment, booted: 'A', socketDirectory: folder },
    });
    return installer.install(image);
  }
  const much = `seq -f 'Status: 2 message: [install] : file %g' 500`;

  test('that the daemon does not take it is seen before many other words', async () => {
    await expect(
      installing(`echo 'swupdate_async_start returns -1' >&2; ${much}`),
    ).rejects.toMatchObject({ code: 'ERR_INSTALL_UNAVAILABLE' });
  });

  test.each([
    'Status: 4 message: ERROR : async_start returns nothing',
    'Status: 2 message: [install] : swupdate_async_start returns -1',
    'swupdate_async_start returns -1',
  ])('and is not taken from what an image says: %s', async (line) => {
    await expect(installing(`echo '${line}'`)).rejects.toMatchObject({
      code: 'ERR_INSTALL_FAILED',
    });
  });

  test('nor that it was broken off', async () => {
    await expect(
      installing(`echo 'swupdate_image_write failed: no'; echo 'Status: 4 message: ERROR : disk'`),
    ).rejects.toMatchObject({ code: 'ERR_INSTALL_FAILED', detail: 'disk' });
  });

  test('what it says of failures comes from its standard output alone', async () => {
    await expect(
      installing(`echo 'Status: 4 message: ERROR : signature' >&2`),
    ).rejects.toMatchObject({ code: 'ERR_INSTALL_FAILED' });
  });
});

describe('a script', () => {
  test('answers on its standard output', async () => {
    const argv = [
      tool('script', `echo '{"slot": "B"}'; sleep 0; echo '{"slot": "A", "progress": 1}' >&2`),
    ];
    const seen: number[] = [];
    const onProgress = ({ fraction }: { readonly fraction: number }): void => {
      seen.push(fraction);
    };
    const given = { ...image, path: folder };
    expect(await commandInstaller({ argv }).install(given, { onProgress })).toEqual({ slot: 'B' });
    expect(seen).toEqual([]);
    await expect(
      commandInstaller({ argv: [tool('other', `echo '{"slot": "A"}' >&2`)] }).install(given),
    ).rejects.toMatchObject({ code: 'ERR_INSTALL_SETUP' });
  });

  test('may say much before its state', async () => {
    const status = '{"booted": "A", "next": "A", "slots": [{"name": "A", "state": "good"}]}';
    const argv = [tool('script', `seq 1 300000; echo '${status}'`)];
    expect(await commandInstaller({ argv }).status()).toEqual(JSON.parse(status));
  });
});

describe('busctl', () => {
  const failing = (words: string): Promise<unknown> => {
    tool('busctl', `echo "${words}" >&2; exit 1`);
    return raucInstaller().status();
  };

  test.each([
    'Call failed: The name de.pengutronix.rauc was not provided by any .service files',
    'Failed to connect to bus: No such file or directory',
    'Failed to connect to bus: Connection refused',
    'Call failed: Unit dbus-de.pengutronix.rauc.service not found.',
    'Call failed: Message recipient disconnected from message bus without replying',
  ])('RAUC is not there: %s', async (words) => {
    await expect(failing(words)).rejects.toMatchObject({ code: 'ERR_INSTALL_UNAVAILABLE' });
  });

  test.each([
    `Call failed: failed getting state: Failed to execute child process fw_printenv (No such file or directory)`,
    'Call failed: Failed to open /dev/mtd1: Connection refused',
    'Call failed: slot rootfs.7 not found.',
  ])('RAUC is there, and what it says is its own: %s', async (words) => {
    await expect(failing(words)).rejects.toMatchObject({
      code: 'ERR_BOOT_STATE',
      detail: `RAUC: ${words.replace('Call failed: ', '')}`,
    });
  });
});
