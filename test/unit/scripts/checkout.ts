import { execFileSync, spawn } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

const repository = path.resolve(__dirname, '../../..');

/** How a script ended and what it printed, both streams. */
export interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/**
 * A git checkout of its own with this project's scripts and the files given, for running a script
 * on it.
 */
export class Checkout implements Disposable {
  readonly root = mkdtempSync(path.join(tmpdir(), 'iotkit-checkout-'));

  constructor(files: Readonly<Record<string, string>> = {}) {
    cpSync(path.join(repository, 'scripts'), this.at('scripts'), {
      recursive: true,
      filter: (file) => path.basename(file) !== 'node_modules',
    });
    execFileSync('git', ['init', '-q'], { cwd: this.root });
    for (const [file, text] of Object.entries(files)) this.write(file, text);
  }

  at(...parts: string[]): string {
    return path.join(this.root, ...parts);
  }

  write(file: string, text: string): void {
    mkdirSync(path.dirname(this.at(file)), { recursive: true });
    writeFileSync(this.at(file), text);
  }

  read(file: string): string {
    return readFileSync(this.at(file), 'utf8');
  }

  /** Takes a file of this repository over. */
  copy(file: string): void {
    mkdirSync(path.dirname(this.at(file)), { recursive: true });
    cpSync(path.join(repository, file), this.at(file), { recursive: true });
  }

  linkNodeModules(): void {
    for (const folder of ['node_modules', 'scripts/api-docs/node_modules']) {
      symlinkSync(path.join(repository, folder), this.at(folder));
    }
  }

  /** `onOutput` gets all that was printed so far, each time there is more. */
  run(
    script: string,
    args: readonly string[] = [],
    {
      env = {},
      onOutput = () => {},
    }: { env?: NodeJS.ProcessEnv; onOutput?: (output: string) => void } = {},
  ): Promise<Ended> {
    return new Promise((resolve, reject) => {
      const child = spawn(process.execPath, [this.at('scripts', script), ...args], {
        cwd: this.root,
        env: { ...process.env, ...env },
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      let output = '';
      const take = (chunk: Buffer) => {
        output += chunk.toString();
        onOutput(output);
      };
      child.stdout.on('data', take);
      child.stderr.on('data', take);
      child.on('error', reject);
      child.on('close', (code) => resolve({ code, output }));
    });
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}
