/**
 * A kiosk: a new edition of its content, one image or several files, is fetched while nobody stands
 * before it, and is shown all at once or not at all.
 *
 *   the newest edition on disk → report it → fetch the next one beside it → switch the link `current`
 *   stdin: the sensor at the screen writes `busy` or `idle`
 *   stdout: what the corner of the screen shows
 */
import { EventEmitter, once } from 'node:events';
import { mkdir, readdir, readFile, readlink, rename, rm, symlink } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { type DeviceState, type OpenOptions, open, type Upgrade } from 'iotkit-ota';

const USAGE = `usage: kiosk DEVICE.json CONTENT
  Keeps the content of a kiosk current: CONTENT/current leads to the folder of the edition that is shown.
  DEVICE.json: the options of open().
exit codes: 0 stopped by SIGTERM or SIGINT, 1 failed, 2 wrong usage
`;

const show = (text: string): boolean => process.stdout.write(`${text}\n`);

/**
 * The editions on disk: each in a folder, `v` and its version, since a version may also be `..` or
 * `current`; and a link to the one that is shown.
 */
class Content {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** What the link says: it cannot contradict what is shown. */
  async edition(): Promise<string> {
    try {
      return path.basename(await readlink(this.#at('current'))).slice(1);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '0'; // never had any
      throw error;
    }
  }

  /** Fetches an edition beside the one that is shown. One that was cut off goes on where it was. */
  async fetch(upgrade: Upgrade, visitors: Visitors, signal: AbortSignal): Promise<void> {
    const folder = this.#at(`v${upgrade.version}`);
    await mkdir(folder, { recursive: true });
    const target = upgrade.files.length > 0 ? folder : path.join(folder, 'content.bin');
    // The rest is showing it.
    const fetched = upgrade.download(target, { signal, report: { upTo: 99 } });
    using _ = visitors.onChange((busy) => (busy ? upgrade.pause() : upgrade.resume()));
    await fetched;
  }

  /** A link that is renamed over the old one: there is no moment without content. */
  async show(edition: string): Promise<void> {
    await rm(this.#at('current.new'), { force: true });
    await symlink(`v${edition}`, this.#at('current.new'));
    await rename(this.#at('current.new'), this.#at('current'));
    const names = await readdir(this.#folder);
    const old = names.filter((name) => name !== 'current' && name !== `v${edition}`);
    for (const name of old) await rm(this.#at(name), { recursive: true });
  }

  #at(name: string): string {
    return path.join(this.#folder, name);
  }
}

/** Whether somebody stands before the screen. */
class Visitors extends EventEmitter {
  #isBusy = false;

  constructor(input: NodeJS.ReadableStream) {
    super();
    createInterface({ input }).on('line', (line) => {
      this.#isBusy = line === 'busy';
      this.emit('change');
    });
  }

  /** Calls `call` now and with each change, until it is disposed of. */
  onChange(call: (isBusy: boolean) => void): Disposable {
    const listener = (): void => call(this.#isBusy);
    this.on('change', listener);
    listener();
    return { [Symbol.dispose]: () => this.off('change', listener) };
  }

  async gone(signal: AbortSignal): Promise<void> {
    while (this.#isBusy) await once(this, 'change', { signal });
  }
}

const shownStates: Partial<Record<DeviceState, string>> = {
  connected: 'online',
  waiting: 'offline',
};

async function run(options: OpenOptions, folder: string, signal: AbortSignal): Promise<void> {
  const content = new Content(folder);
  const visitors = new Visitors(process.stdin);
  await mkdir(folder, { recursive: true });
  await using device = open(options);
  device.on('state', ({ state, needsOperator }) => {
    const text = needsOperator ? 'please call the service' : shownStates[state];
    if (text !== undefined) show(text);
  });
  await device.ota.reportVersion(await content.edition(), { signal });
  for await (const upgrade of device.ota.upgrades({ signal })) {
    try {
      show(`fetching ${upgrade.version}`);
      await content.fetch(upgrade, visitors, signal);
      await visitors.gone(signal);
      await content.show(upgrade.version);
      await device.ota.reportVersion(upgrade.version, { signal });
      show(`showing ${upgrade.version}`);
    } catch (error) {
      signal.throwIfAborted();
      // The platform has been told, and decides whether to announce it once more.
      show(
        `still showing ${await content.edition()}: ${error instanceof Error ? error.message : error}`,
      );
    }
  }
}

async function main([file, folder]: readonly string[]): Promise<number> {
  if (file === undefined || folder === undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  const stop = new AbortController();
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => stop.abort());
  try {
    await run(JSON.parse(await readFile(file, 'utf8')), folder, stop.signal);
    return 0;
  } catch (error) {
    if (stop.signal.aborted) return 0;
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    return 1;
  } finally {
    process.stdin.destroy();
  }
}

main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
