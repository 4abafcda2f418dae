import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { builtAddon } from './installed';
import { runWell } from './process';

const root = path.resolve(__dirname, '..', '..');
const system = `prebuilds/${process.platform}-${process.arch}`;

/** A folder of a user, and what was installed there; removed by its owner. */
export class UserFolder implements AsyncDisposable {
  /** Empty but for a manifest. */
  static async make(): Promise<UserFolder> {
    const user = new UserFolder(await mkdtemp(path.join(tmpdir(), 'iotkit-user-')));
    await user.write({ 'package.json': '{ "name": "user", "private": true }\n' });
    return user;
  }

  /** With the packed package, and others, as npm installs them without running scripts. */
  static async withPackage(...others: string[]): Promise<UserFolder> {
    const user = await UserFolder.make();
    const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund'];
    await runWell('npm', [...args, await user.tarball(), ...others], { cwd: user.folder });
    return user;
  }

  private constructor(readonly folder: string) {}

  /** The package as it is published, with the addon of the tests as the prebuilt one for here. */
  async tarball(): Promise<string> {
    const place = path.join(this.folder, '.tarball');
    await mkdir(place, { recursive: true });
    await pack(root, place);
    await runWell('tar', ['-xzf', path.join(place, 'iotkit-ota.tgz'), '-C', place]);
    const content = path.join(place, 'package');
    await mkdir(path.join(content, system), { recursive: true });
    await cp(builtAddon, path.join(content, system, 'iotkit-ota.glibc.node'));
    await pack(content, place);
    await rm(content, { recursive: true });
    return path.join(place, 'iotkit-ota.tgz');
  }

  path(...names: string[]): string {
    return path.join(this.folder, ...names);
  }

  async write(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, text] of Object.entries(files)) {
      await mkdir(path.dirname(this.path(name)), { recursive: true });
      await writeFile(this.path(name), text);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}

async function pack(from: string, to: string): Promise<void> {
  const said = await runWell(
    'npm',
    ['pack', '--json', '--ignore-scripts', '--pack-destination', to],
    {
      cwd: from,
    },
  );
  const [{ filename }] = JSON.parse(said);
  await cp(path.join(to, filename), path.join(to, 'iotkit-ota.tgz'));
}
