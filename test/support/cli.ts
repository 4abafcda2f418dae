import path from 'node:path';
import { type Running, runWell, start } from './process';

const script = path.resolve(__dirname, '..', '..', 'platform', 'dist', 'cli.js');

/**
 * The platform's command line, as an operator uses it: one server, and commands that talk to it.
 */
export class PlatformCli {
  readonly #stateDir: string;
  readonly #env: NodeJS.ProcessEnv;
  #server: Running | undefined;

  constructor(stateDir: string, env: NodeJS.ProcessEnv = {}) {
    this.#stateDir = stateDir;
    this.#env = { ...process.env, ...env };
  }

  /** `iotkit-ota-platform serve`, on ports of the system's choice. */
  async serve(args: readonly string[]): Promise<void> {
    const ports = ['mqtt', 'mqtts', 'http', 'https', 'api'].flatMap((name) => [
      `--${name}-port`,
      '0',
    ]);
    this.#server = await start(
      process.execPath,
      [script, 'serve', ...this.#place, ...ports, ...args],
      { ready: /^ready$/m, env: this.#env },
    );
  }

  /** Runs another command; resolves with its answer. */
  async run<Answer>(...args: readonly string[]): Promise<Answer> {
    const all = [script, ...args, ...this.#place, '--json'];
    return JSON.parse(await runWell(process.execPath, all, { env: this.#env })) as Answer;
  }

  /** What the server has printed. */
  get log(): string {
    return this.#server?.output() ?? '';
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
  }

  get #place(): string[] {
    return ['--state-dir', this.#stateDir];
  }
}
