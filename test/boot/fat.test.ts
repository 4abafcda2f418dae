/**
 * What a power cut leaves of files that are renamed on a FAT, as a boot partition is one: no journal, and Linux has its
 * own way to rename there (port/posix/rename.c of the C SDK). Needs what test/boot needs, and dosfstools and mtools.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { RecordFile } from '../../lib/install/record';
import { FatMachine, type Left } from '../support/boot/fat-machine';
import { Chance, deltaOf } from '../support/delta';
import { imageOf, sha256 } from '../support/image';

const SEED = 20261130;
const chance = new Chance(SEED);
const random = (): number => chance.below(1000) / 1000;

let fat: FatMachine;

beforeAll(async () => {
  console.log(`seed ${SEED}`);
  fat = await FatMachine.open();
  // So that the entry of a file and the one that takes its place are seldom in one sector.
  await fat.shell('for i in $(seq 1 20); do echo $i >/mnt/a-file-of-others-$i; done; sync');
});

afterAll(() => fat?.[Symbol.asyncDispose]());

const [first, second, third] = [imageOf(100_000, 1), imageOf(70_000, 2), imageOf(90_000, 3)];

async function download(image: Buffer, out: string, ...more: readonly string[]): Promise<void> {
  fat.served.set('image', image);
  const from = fat.address('image');
  await fat.shell(
    ['iotkit-ota download', from, '--sha256', sha256(image), '--out', `/mnt/${out}`, ...more].join(
      ' ',
    ),
  );
}

/** Each cut has left the old bytes or the new ones, never two files of the same bytes, and the last one the new. */
function expectOldOrNew(cuts: readonly Left[], old: Buffer | undefined, made: Buffer): void {
  const kinds = cuts.map(({ file, shared }) => {
    if (shared !== '') return shared;
    if (file?.equals(made)) return 'new';
    return (old === undefined ? file === undefined : file?.equals(old)) ? 'old' : 'neither';
  });
  expect(new Set(kinds)).toEqual(new Set(['old', 'new']));
  expect(kinds.at(-1)).toBe('new');
}

test('an image that replaces another is there as a whole, or the other one is, whatever a cut leaves', async () => {
  await download(first, 'firmware.bin');
  expectOldOrNew(
    await fat.cuts('firmware.bin', () => download(second, 'firmware.bin'), random),
    first,
    second,
  );
});

test('an image of a new name is there as a whole or not at all', async () => {
  const cuts = await fat.cuts(
    'new-firmware.bin',
    () => download(first, 'new-firmware.bin'),
    random,
  );
  // Its entry and the one of the part go in one request, of which a disk may do half.
  expectOldOrNew(
    cuts.filter(({ parts }) => parts === 'requests'),
    undefined,
    first,
  );
  expect(cuts.every(({ file }) => file === undefined || file.equals(first))).toBe(true);
});

test('what a difference makes replaces another image likewise', async () => {
  await download(first, 'base.bin');
  await download(second, 'made.bin');
  const delta = await deltaOf(first, third);
  const made = () => download(delta, 'made.bin', '--delta-base', '/mnt/base.bin');
  expectOldOrNew(await fat.cuts('made.bin', made, random), second, third);
});

/** Installs what is served as `image`; its record is on the disk. */
const install = (version: string, digest: string): string =>
  `iotkit-ota install --config /tmp/agent.json --version ${version} --sha256 ${digest} ` +
  `--no-restart ${fat.address('image')}`;

test("an agent's record can be read after each cut of an installation", async () => {
  const device = {
    productKey: 'a1Fat',
    deviceName: 'pump',
    deviceSecretFile: 'secret',
    url: 'mqtt://127.0.0.1',
  };
  const installer = { kind: 'command', argv: ['/tmp/installer'] };
  const config = { device, installer, record: '/mnt/record', version: '1.0.0' };
  fat.served.set('agent.json', Buffer.from(JSON.stringify(config)));
  fat.served.set('installer', Buffer.from(INSTALLER));
  fat.served.set('image', first);
  await fat.shell(
    `cd /tmp && echo secret >secret && chmod 600 secret && wget -q ${fat.address('agent.json')} &&
     wget -q ${fat.address('installer')} && chmod 755 installer
     ${install('0.9.0', sha256(first))}; [ $? = 65 ]`, // so that there is a record
  );
  const cuts = await fat.cuts('record', () => fat.shell(install('2.0.0', sha256(first))), random);
  // As above of the image, whose name is new.
  expect(cuts.filter(({ shared, parts }) => parts === 'requests' && shared !== '')).toEqual([]);
  const phases = await Promise.all(cuts.map(({ file }) => phaseIn(file)));
  expect([...new Set(phases)]).toEqual([
    'failed',
    'downloaded',
    'installing',
    'installed',
    'activated',
  ]);
});

const INSTALLER = `#!/bin/sh
case $IOTKIT_ACTION in
status)
  slots='[{"name": "A", "state": "good"}, {"name": "B", "state": "unknown"}]'
  echo '{"booted": "A", "next": "'$(cat /tmp/next || echo A)'", "slots": '"$slots"'}' ;;
install) [ "$IOTKIT_VERSION" = 2.0.0 ] || exit 65; echo '{"slot": "B"}' ;;
activate) echo "$IOTKIT_SLOT" >/tmp/next ;;
esac
`;

/** Of the one update in a record. */
async function phaseIn(text: Buffer | undefined): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-fat-'));
  try {
    await writeFile(path.join(folder, 'record'), text ?? '', { mode: 0o600 });
    const record = await RecordFile.open(path.join(folder, 'record'));
    if (record.damage !== undefined) throw record.damage;
    return record.content.entries['']?.phase ?? 'none';
  } finally {
    await rm(folder, { recursive: true });
  }
}
