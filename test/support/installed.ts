import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Ended, run, runWell } from './process';

const root = path.resolve(__dirname, '..', '..');

/** The addon that the tests run with. */
export const builtAddon = path.join(root, 'build', 'Release', 'iotkit_ota.node');

/** What a program got from `require('iotkit-ota')`. */
export interface Loaded extends Ended {
  readonly error: { readonly code: string; readonly message: string } | undefined;
}

/** A folder into which the package was installed without any addon, as far as loading goes. */
export class Installed implements AsyncDisposable {
  static async make(): Promise<Installed> {
    const folder = await mkdtemp(path.join(tmpdir(), 'iotkit-installed-'));
    const installed = new Installed(folder);
    for (const name of ['dist', 'package.json', 'addon.js']) {
      await cp(path.join(root, name), installed.inPackage(name), { recursive: true });
    }
    return installed;
  }

  private constructor(readonly folder: string) {}

  /** A path in the installed package. */
  inPackage(...names: string[]): string {
    return path.join(this.folder, 'node_modules', 'iotkit-ota', ...names);
  }

  /** Puts an addon there, by default the right one. */
  async put(to: string, from = builtAddon): Promise<string> {
    const file = this.inPackage(to);
    await mkdir(path.dirname(file), { recursive: true });
    await cp(from, file);
    return file;
  }

  /** Compiles a library from a line of C and puts it there. */
  async compile(to: string, source: string, ...flags: string[]): Promise<string> {
    const file = path.isAbsolute(to) ? to : this.inPackage(to);
    await mkdir(path.dirname(file), { recursive: true });
    const code = path.join(this.folder, 'source.c');
    await writeFile(code, source);
    await runWell('cc', ['-shared', '-fPIC', '-nostartfiles', code, '-o', file, ...flags]);
    return file;
  }

  /** Requires the package in a process of its own. */
  async load({
    flags = [],
    env = {},
    from = 'iotkit-ota',
  }: {
    readonly flags?: readonly string[];
    readonly env?: NodeJS.ProcessEnv;
    readonly from?: string;
  } = {}): Promise<Loaded> {
    const program = `try { require(${JSON.stringify(from)}) }
      catch ({ code, message }) { console.log(JSON.stringify({ code, message })) }`;
    const ended = await run(process.execPath, [...flags, '-e', program], {
      cwd: this.folder,
      env: { ...process.env, NODE_OPTIONS: '', ...env },
    });
    const { stdout } = ended;
    return { ...ended, error: stdout.startsWith('{') ? JSON.parse(stdout) : undefined };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
