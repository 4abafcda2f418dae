import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { PRODUCT_KEY, type Registered, type World } from './world';

// The programs of examples/ts as a person runs them, with a device of the test's platform.

const examples = path.join(__dirname, '../../examples/dist/ts');

/** What a test that failed has left running. */
const running = new Set<ChildProcess>();

afterEach(() => {
  for (const child of running) child.kill('SIGKILL');
});

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A program that runs, or has ended. */
export class Program {
  readonly ended: Promise<Exit>;
  readonly #child: ChildProcess;
  readonly #waiting = new Set<() => void>();
  #output = '';

  private constructor(child: ChildProcess) {
    this.#child = child;
    running.add(child);
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.#output += text;
        this.#look();
      });
    }
    this.ended = once(child, 'close').then(([code, signal]) => {
      running.delete(child);
      this.#look();
      return { code, signal };
    });
  }

  /** `name` of examples/ts. */
  static start(name: string, args: readonly string[]): Program {
    return Program.run(path.join(examples, `${name}.js`), args);
  }

  static run(file: string, args: readonly string[] = []): Program {
    return new Program(spawn(process.execPath, [file, ...args], { stdio: 'pipe' }));
  }

  /** All it has written, to stdout and stderr. */
  get output(): string {
    return this.#output;
  }

  /** Resolves when what it has written matches; rejects when it has ended and never did. */
  says(pattern: RegExp): Promise<RegExpExecArray> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        const match = pattern.exec(this.#output);
        const { exitCode, signalCode } = this.#child;
        if (match !== null) resolve(match);
        else if (running.has(this.#child)) return;
        else reject(new Error(`it ended (${signalCode ?? exitCode}) after:\n${this.#output}`));
        this.#waiting.delete(look);
      };
      this.#waiting.add(look);
      look();
    });
  }

  /** A line to its stdin. */
  hears(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  /** Ends it by a signal. */
  stop(signal: NodeJS.Signals): Promise<Exit> {
    this.#child.kill(signal);
    return this.ended;
  }

  #look(): void {
    for (const look of [...this.#waiting]) look();
  }
}

/** The options of open() for a device of the test's platform. */
export function settingsOf({ platform }: Pick<World, 'platform'>, device: Registered): object {
  const { deviceName, deviceSecret } = device;
  return {
    productKey: PRODUCT_KEY,
    deviceName,
    deviceSecret,
    url: platform.mqttsUrl,
    tls: { ca: platform.ca },
    reconnect: { min: 1, max: 20 },
    fetch: { retry: { min: 1, max: 20 } },
  };
}

/** Writes them where a program reads them; resolves with the path. */
export async function writeSettings(
  world: Pick<World, 'path'>,
  settings: unknown,
): Promise<string> {
  const file = world.path('settings.json');
  await writeFile(file, JSON.stringify(settings));
  return file;
}

/** Resolves when the platform has heard of a step of a device at or above this one. */
export function reached(
  world: Pick<World, 'platform'>,
  step: number,
  deviceName = 'lamp',
): Promise<unknown> {
  return world.platform.waitFor(
    'progress',
    (event) => event.deviceName === deviceName && event.step >= step,
  );
}

/** Where the bodies begin that were sent from now on; a request without a range begins at 0. */
export function startsOf({ platform }: World): number[] {
  const starts: number[] = [];
  platform.on('download', ({ range = 'bytes=0-' }) => {
    starts.push(Number(/\d+/.exec(range)?.[0]));
  });
  return starts;
}
