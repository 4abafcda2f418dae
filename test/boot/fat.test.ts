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
});

afterAll(() => fat?.[Symbol.asyncDispose]());

const [first, second, third] = [imageOf(100_000, 1), imageOf(70_000, 2), imageOf(90_000, 3)];

/**
 * So that the entries of the files that are there and of those to come are in different sectors: names that take
 * several places of a directory, and then such as fill the ones that were left free.
 */
async function crowd(folder: string): Promise<void> {
  await fat.shell(
    `mkdir -p /mnt/${folder} && cd /mnt/${folder} &&
     for i in $(seq 1 20); do echo $i >a-file-of-others-$i; done
     for i in $(seq 1 20); do echo $i >f$i; done; sync`,
  );
}

async function download(image: Buffer, out: string, ...more: readonly string[]): Promise<void> {
  fat.served.set('image', image);
  const from = fat.address('image');
  await fat.shell(
    ['iotkit-ota download', from, '--sha256', sha256(image), '--out', `/mnt/${out}`, ...more].join(
      ' ',
    ),
  );
}

/** What each cut has left: the old bytes, the new ones, none, or the names of files that have the same ones. */
function kindsOf(cuts: readonly Left[], old: Buffer | undefined, made: Buffer): string[] {
  return cuts.map(({ file, shared }) => {
    if (shared !== '') return shared;
    if (file === 'broken') return file;
    if (file?.equals(made)) return 'new';
    if (file?.length === 0) return 'empty';
    return (old === undefined ? file === undefined : file?.equals(old)) ? 'old' : 'neither';
  });
}

/** The order does not matter where chance has a part in it; but for the last one, when all is done. */
function expectKinds(kinds: readonly string[], expected: readonly string[]): void {
  expect([...new Set(kinds)].sort()).toEqual(expected);
  expect(kinds.at(-1)).toBe('new');
}

test('an image that replaces another is there as a whole, or the other one is, whatever a cut leaves', async () => {
  await fat.shell('mkdir /mnt/image');
  await download(first, 'image/old.bin');
  await crowd('image');
  const cuts = await fat.cuts('image/old.bin', () => download(second, 'image/old.bin'), random);
  expectKinds(kindsOf(cuts, first, second), ['new', 'old']);
});

test('an image of a new name is there as a whole, or nothing that has bytes', async () => {
  await crowd('new');
  const cuts = await fat.cuts('new/new.bin', () => download(first, 'new/new.bin'), random);
  expectKinds(kindsOf(cuts, undefined, first), ['empty', 'new', 'old']);
});

test('what a difference makes replaces another image likewise, or gets a new name', async () => {
  await crowd('delta');
  await download(first, 'base.bin');
  const delta = await deltaOf(first, third);
  const make = (name: string) => () =>
    download(delta, `delta/${name}`, '--delta-base', '/mnt/base.bin');
  const added = await fat.cuts('delta/new.bin', make('new.bin'), random);
  expectKinds(kindsOf(added, undefined, third), ['empty', 'new', 'old']);
  await download(second, 'delta/old.bin');
  await crowd('delta');
  const replaced = await fat.cuts('delta/old.bin', make('old.bin'), random);
  expectKinds(kindsOf(replaced, second, third), ['new', 'old']);
});

test('a rename as others do it leaves no bytes, or two names for them: so it shows that these cuts can', async () => {
  fat.served.set('second', second);
  const kinds: string[][] = [];
  for (const [folder, syncs] of [
    ['lost', 'flush(".")'],
    ['twice', 'flush("old.bin"); flush(".")'],
  ] as const) {
    await fat.shell(`mkdir /mnt/${folder}`);
    await download(first, `${folder}/old.bin`);
    await crowd(folder);
    const rename = () =>
      fat.shell(
        `cd /mnt/${folder} && wget -q -O new.bin ${fat.address('second')} && node -e '
         const fs = require("node:fs");
         const flush = (name) => fs.fsyncSync(fs.openSync(name));
         flush("new.bin");
         fs.renameSync("new.bin", "old.bin");
         ${syncs}'`,
      );
    kinds.push(kindsOf(await fat.cuts(`${folder}/old.bin`, rename, random), first, second));
    await fat.shell('sync');
  }
  expect(kinds[0]?.at(-1)).toBe('broken');
  expect(kinds[1]).toContain('/twice/old.bin and /twice/new.bin');
});

test('several files get their names together, or none does, whatever a cut leaves', async () => {
  await fat.shell('mkdir /mnt/set');
  expect(await fat.code('cd /mnt/set && fat-set put 1')).toBe(1);
  await crowd('set');
  const cuts = await fat.contents(async () => {
    expect(await fat.code('cd /mnt/set && fat-set put 2')).toBe(2);
  }, random);
  const versions: number[] = [];
  for (const content of cuts) {
    await fat.startFrom(content);
    versions.push(await fat.code('cd /mnt/set && fat-set recover'));
  }
  expect([...new Set(versions)].sort()).toEqual([1, 2]);
  expect(versions.at(-1)).toBe(2);
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
  const config = { device, installer, record: '/mnt/agent/record', version: '1.0.0' };
  fat.served.set('agent.json', Buffer.from(JSON.stringify(config)));
  fat.served.set('installer', Buffer.from(INSTALLER));
  fat.served.set('image', first);
  await fat.shell(
    `cd /tmp && echo secret >secret && chmod 600 secret && wget -q ${fat.address('agent.json')} &&
     wget -q ${fat.address('installer')} && chmod 755 installer
     mkdir /mnt/agent; ${install('0.9.0', sha256(first))}; [ $? = 65 ]`, // so that there is a record
  );
  await crowd('agent');
  const cuts = await fat.cuts(
    'agent/record',
    () => fat.shell(install('2.0.0', sha256(first))),
    random,
  );
  expect(cuts.filter(({ shared }) => shared !== '')).toEqual([]);
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
async function phaseIn(text: Left['file']): Promise<string> {
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
