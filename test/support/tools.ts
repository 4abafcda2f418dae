import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runWell } from './process';

const cache = path.resolve(__dirname, '..', '..', '.cache');

/**
 * Packages that only some tests need, installed from npm when they are first asked for; by the name
 * each is installed under, with its version.
 */
export class Tools<Name extends string> {
  readonly #folder: string;

  constructor(
    name: string,
    private readonly packages: Readonly<Record<Name, string>>,
  ) {
    this.#folder = path.join(cache, name);
  }

  /** A path in an installed package. */
  file(name: Name, ...below: string[]): string {
    return path.join(this.#folder, 'node_modules', name, ...below);
  }

  /** Where `node_modules` is. */
  get folder(): string {
    return this.#folder;
  }

  /** Installs all if one is missing; none of their scripts runs. */
  async install(): Promise<void> {
    const names = Object.keys(this.packages) as Name[];
    if (names.every((name) => existsSync(this.file(name, 'package.json')))) return;
    await mkdir(this.#folder, { recursive: true });
    const manifest = { name: 'tools', private: true, dependencies: this.packages };
    await writeFile(path.join(this.#folder, 'package.json'), JSON.stringify(manifest));
    const quiet = ['--no-audit', '--no-fund', '--install-links=false'];
    await runWell('npm', ['install', '--ignore-scripts', ...quiet], { cwd: this.#folder });
  }
}
