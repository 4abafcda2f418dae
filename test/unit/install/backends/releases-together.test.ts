// Two processes at one root, such as an agent and an operator's command; here two installers of one process.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { directoriesInstaller } from '../../../../lib/install/backends/directories';
import { Releases } from '../../../../lib/install/backends/releases';
import type { Installer } from '../../../../lib/install/installer';
import { tryLock } from '../../../../lib/install/lock';
import { Deployment } from '../../../support/deployment';
import { given } from '../../../support/installer-contract';

let machine: Deployment;
beforeEach(() => {
  machine = new Deployment();
});
afterEach(() => machine.close());

const other = (): Installer => directoriesInstaller({ root: machine.root, restart: ['true'] });
const stateFile = (): string => join(machine.root, 'state.json');

test('no change of what is known is lost', async () => {
  const names = Array.from({ length: 20 }, (_, i) => `releases/${i}`);
  await Promise.all(
    names.map((name) =>
      // Each waits for those before it, and to the disk: nobody gives up on a slow one.
      new Releases(machine.root, 3_600_000).change((state) => {
        return { ...state, known: [...state.known, name] };
      }),
    ),
  );
  const { known } = JSON.parse(readFileSync(stateFile(), 'utf8'));
  expect(known.sort()).toEqual(['releases/1.0.0', ...names].sort());
});

test('a change that changes nothing writes nothing', async () => {
  const releases = new Releases(machine.root);
  await releases.change((state) => ({ ...state }));
  writeFileSync(stateFile(), `${readFileSync(stateFile(), 'utf8')}\n`);
  await releases.change((state) => state);
  expect(readFileSync(stateFile(), 'utf8')).toMatch(/\n\n$/);
});

test('who holds the lock for too long is named', async () => {
  const lock = await tryLock(join(machine.root, 'state.lock'));
  const change = new Releases(machine.root, 0).change((state) => ({ ...state }));
  await expect(change).rejects.toMatchObject({
    code: 'ERR_INSTALL_BUSY',
    detail: expect.stringContaining(join(machine.root, 'state.lock')),
  });
  await lock?.release();
  await new Releases(machine.root, 0).change((state) => ({ ...state }));
});

test('while one installs the other one does not, and removes nothing of it', async () => {
  const image = await machine.image('2.0.0');
  let reached = (): void => {};
  const half = new Promise<void>((resolve) => {
    reached = resolve;
  });
  let goOn = (): void => {};
  const released = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  async function* open(): AsyncGenerator<Uint8Array> {
    yield image.bytes.subarray(0, 1024);
    reached();
    await released;
    yield image.bytes.subarray(1024);
  }
  const installing = machine.installer.install({ ...given(image, 'stream'), open });
  await half;
  await expect(other().install(given(image, 'stream'))).rejects.toMatchObject({
    code: 'ERR_INSTALL_BUSY',
    retryable: true,
  });
  // It would be an old one.
  mkdirSync(join(machine.root, 'releases/0.9.0'));
  await new Releases(machine.root).change((state) => ({
    ...state,
    known: [...state.known, 'releases/0.9.0'],
  }));
  await other().markGood();
  expect(readdirSync(join(machine.root, 'releases'))).toContain('0.9.0');
  goOn();
  const { slot } = await installing;
  await machine.installer.activate(slot);
  expect(await machine.versionIn(slot)).toBe('2.0.0');
  await other().markGood();
  expect(readdirSync(join(machine.root, 'releases')).sort()).toEqual(['1.0.0', '2.0.0']);
});

test('what versions before knew of no release that was rolled back goes too', async () => {
  for (const name of ['2.0.0', '3.0.0']) mkdirSync(join(machine.root, 'releases', name));
  const good = ['releases/1.0.0'];
  writeFileSync(stateFile(), JSON.stringify({ good, whole: good, trial: '' }));
  await machine.installer.markGood();
  expect(readdirSync(join(machine.root, 'releases'))).toEqual(['1.0.0']);
});
