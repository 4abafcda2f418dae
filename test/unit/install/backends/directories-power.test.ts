// What a power cut must not take of the releases of a directory installer.
import { mkdirSync, symlinkSync } from 'node:fs';
import fs from 'node:fs/promises';
import { join, relative } from 'node:path';
import { directoriesInstaller } from '../../../../lib/install/backends/directories';
import { Deployment } from '../../../support/deployment';
import { given } from '../../../support/installer-contract';

let deployment: Deployment;
beforeEach(() => {
  deployment = new Deployment();
});
afterEach(async () => {
  jest.restoreAllMocks();
  await deployment.close();
});

/** What is flushed, and what gets a name, from now on. */
function writes(): string[] {
  const seen: string[] = [];
  const nameOf = (path: unknown): string =>
    (relative(deployment.root, String(path)) || '.').replace(/\.new-\w+/, '.new-');
  const { open, rename } = fs;
  jest.spyOn(fs, 'open').mockImplementation(async (...args) => {
    const file = await open(...args);
    const sync = file.sync.bind(file);
    file.sync = () => {
      seen.push(`flush ${nameOf(args[0])}`);
      return sync();
    };
    return file;
  });
  jest.spyOn(fs, 'rename').mockImplementation((from, to) => {
    seen.push(`name ${nameOf(to)}`);
    return rename(from, to);
  });
  return seen;
}

const state = ['flush state.json.new', 'name state.json', 'flush .'];

test('a release and its image are on the disk before they have their names', async () => {
  const { root } = deployment;
  const installer = directoriesInstaller({ root, restart: ['true'], keepImages: true });
  const image = given(await deployment.image('2.0.0'), 'stream');
  const seen = writes();
  await installer.install(image);
  const tree = seen.splice(state.length + 3, 4);
  expect(tree.slice(0, 3).sort()).toEqual([
    'flush releases/.new-/release/lib',
    'flush releases/.new-/release/lib/data',
    'flush releases/.new-/release/version',
  ]);
  expect(tree[3]).toBe('flush releases/.new-/release');
  expect(seen).toEqual([
    ...state,
    'flush images/.new',
    'name images/2.0.0.image',
    'flush images',
    'name releases/2.0.0',
    'flush releases',
    ...state,
  ]);
});

test('what starts next is on the disk, and known to be on trial before', async () => {
  const { installer } = deployment;
  const { slot } = await installer.install(given(await deployment.image('2.0.0'), 'stream'));
  const seen = writes();
  await installer.activate(slot);
  expect(seen).toEqual([...state, ...state, 'name current', 'flush .']);
});

test("what cut off changes have left is in nobody's way, and is no release", async () => {
  const { installer, root } = deployment;
  symlinkSync('releases/0.9.0', join(root, 'current.new'));
  mkdirSync(join(root, 'releases', '.new-abc'));
  expect((await installer.status()).slots).toHaveLength(1);
  const { slot } = await installer.install(given(await deployment.image('2.0.0'), 'stream'));
  await installer.activate(slot);
  expect(await installer.status()).toMatchObject({ booted: 'releases/1.0.0', next: slot });
});
