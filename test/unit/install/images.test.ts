import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkAgent } from '../../../lib/install/agent-options';
import { commandInstaller } from '../../../lib/install/backends/command';
import { raucInstaller } from '../../../lib/install/backends/rauc';
import { Images } from '../../../lib/install/images';
import type { Installer } from '../../../lib/install/installer';
import type { UpdateDevice } from '../../../lib/install/reports';

/** No process has this number. */
const DEAD = 2 ** 31 - 1;
let images: string;
beforeEach(() => {
  images = mkdtempSync(join(tmpdir(), 'iotkit-images-'));
});
afterEach(() => rmSync(images, { recursive: true, force: true }));

function check(installer: Installer): string {
  const device = { ota: {} } as UpdateDevice;
  return checkAgent({ device, installer, record: join(images, 'record') }, {}).images;
}

const ofFiles = commandInstaller({ argv: ['true'], takes: 'file' });
const ofStreams = commandInstaller({ argv: ['true'], takes: 'stream' });

test.each([0o770, 0o707, 0o1777])('images that others may exchange (%o) are refused', (mode) => {
  chmodSync(images, mode);
  for (const installer of [ofFiles, raucInstaller()]) {
    expect(() => check(installer)).toThrow(
      expect.objectContaining({
        code: 'ERR_INSTALL_SETUP',
        detail: expect.stringMatching(/^the directory for images, .*chmod it/),
      }),
    );
  }
  // It reads the file once, and compares what it has read.
  expect(check(ofStreams)).toBe(images);
});

test('a directory of this user alone, or one that is still to be made, is taken', () => {
  chmodSync(images, 0o755);
  expect(check(ofFiles)).toBe(images);
  rmSync(images, { recursive: true });
  expect(check(ofFiles)).toBe(images);
});

test("somebody else's directory is refused", () => {
  const { geteuid } = process;
  process.geteuid = () => 4711;
  try {
    expect(() => check(ofFiles)).toThrow(/belongs to user \d+, not to 4711/);
  } finally {
    process.geteuid = geteuid as () => number;
  }
});

test('an image is removed with what a process that was killed has left of it', async () => {
  const left = `default.image.${DEAD}-00000000.delta.part`;
  for (const name of ['default.image', left, 'other.image']) writeFileSync(join(images, name), '');
  await new Images(images).remove('');
  expect(readdirSync(images)).toEqual(['other.image']);
});
