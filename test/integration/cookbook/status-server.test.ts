import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import http, { type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { imageOf } from '../../support/image';
import { Program, reached, settingsOf, startsOf, writeSettings } from '../../support/program';
import { World } from '../../support/world';

// examples/ts/status-server.ts: a page that shows the device live, with buttons.

const image = imageOf(2_000_003);
const stall = { kind: 'http-stall', afterBytes: 1_200_000, times: 1 } as const;

interface Status {
  readonly version: string;
  readonly connection: string;
  readonly problem?: string;
  readonly upgrade?: { readonly version: string; readonly size: number; readonly url: string };
  readonly progress?: { readonly received: number };
}

/** A browser at the page. */
class Browser implements Disposable {
  readonly #url: string;
  readonly #events: IncomingMessage;
  readonly #statuses: Status[] = [];
  #changed: () => void = () => {};

  private constructor(url: string, events: IncomingMessage) {
    this.#url = url;
    this.#events = events;
    const ignore = (): void => {}; // the server is killed, or the browser leaves
    const lines = createInterface({ input: events.on('error', ignore) }).on('error', ignore);
    lines.on('line', (line) => {
      if (line.startsWith('data: ')) this.#statuses.push(JSON.parse(line.slice(6)));
      this.#changed();
    });
  }

  static async open(program: Program): Promise<Browser> {
    const [url] = await program.says(/http:\/\/127\.0\.0\.1:\d+/);
    const [events] = (await once(http.get(`${url}/events`), 'response')) as [IncomingMessage];
    return new Browser(url, events);
  }

  /** The first status from now on, or the present one, that fits. */
  async sees(fits: (status: Status) => boolean): Promise<Status> {
    for (let next = Math.max(0, this.#statuses.length - 1); ; ) {
      const status = this.#statuses[next];
      if (status === undefined) {
        await new Promise<void>((resolve) => {
          this.#changed = resolve;
        });
      } else if (fits(status)) {
        return status;
      } else {
        next += 1;
      }
    }
  }

  /** `origin`: of the page that the button is on. */
  async press(button: string, origin = this.#url): Promise<number> {
    const init = { method: 'POST', headers: { origin } };
    return (await fetch(`${this.#url}/${button}`, init)).status;
  }

  async status(): Promise<Status> {
    return (await fetch(this.#url)).json() as Promise<Status>;
  }

  [Symbol.dispose](): void {
    this.#events.destroy();
  }
}

async function begin(world: World) {
  const file = await writeSettings(world, settingsOf(world, await world.register()));
  const target = world.path('firmware.bin');
  const start = (): Program => Program.start('status-server', [file, target, '0']);
  const { id: firmwareId } = await world.store(image);
  const { id } = await world.platform.upgrades.start({ firmwareId, devices: ['lamp'] });
  return { start, id, target };
}

test('shows the upgrade, installs it when told so, and shows how far it is', async () => {
  await using world = await World.open();
  const { start, id, target } = await begin(world);
  const program = start();
  using browser = await Browser.open(program);
  using other = await Browser.open(program);
  const { upgrade } = await browser.sees((it) => it.upgrade !== undefined);
  expect(upgrade).toMatchObject({ version: '2.0.0', size: image.length });
  expect(upgrade?.url).not.toContain('Signature');
  expect(world.platform.upgrades.get(id)?.tasks[0]?.state).toBe('pushed');

  const whole = (it: Status): boolean => it.progress?.received === image.length;
  const seen = Promise.all([browser.sees(whole), other.sees(whole)]);
  expect(await browser.press('install')).toBe(202);
  await seen;
  expect((await world.outcome(id)).state).toBe('succeeded');
  expect(await browser.status()).toMatchObject({ version: '2.0.0', connection: 'connected' });
  expect(image.equals(await readFile(target))).toBe(true);
  expect(await browser.press('install')).toBe(409);
  expect(await program.stop('SIGTERM')).toEqual({ code: 0, signal: null });
});

test('stops when told so, and goes on when told to install again', async () => {
  await using world = await World.open({ faults: [stall] });
  const { start, id, target } = await begin(world);
  const program = start();
  using browser = await Browser.open(program);
  await browser.sees((it) => it.upgrade !== undefined);
  const half = reached(world, 50);
  await browser.press('install');
  await half;
  await browser.press('stop');
  await browser.sees((it) => /abort\(\)/.test(it.problem ?? '') && it.upgrade !== undefined);
  expect(world.platform.upgrades.get(id)?.tasks[0]?.state).toBe('upgrading');

  const starts = startsOf(world);
  await browser.press('install');
  expect((await world.outcome(id)).state).toBe('succeeded');
  expect(starts.at(-1)).toBeGreaterThan(0.5 * image.length - 131_072);
  expect(image.equals(await readFile(target))).toBe(true);
  await program.stop('SIGTERM');
});

test('shows the same upgrade after a crash in the middle of it', async () => {
  await using world = await World.open({ faults: [stall] });
  const { start, id } = await begin(world);
  const first = start();
  const half = reached(world, 50);
  using browser = await Browser.open(first);
  await browser.sees((it) => it.upgrade !== undefined);
  await browser.press('install');
  await half;
  await first.stop('SIGKILL');

  const second = start();
  using again = await Browser.open(second);
  await again.sees((it) => it.upgrade !== undefined);
  const starts = startsOf(world);
  await again.press('install');
  expect((await world.outcome(id)).state).toBe('succeeded');
  expect(starts.at(-1)).toBeGreaterThan(0.5 * image.length - 131_072);
  await second.stop('SIGTERM');
});

test('rejects when told so', async () => {
  await using world = await World.open();
  const { start, id } = await begin(world);
  const program = start();
  using browser = await Browser.open(program);
  await browser.sees((it) => it.upgrade !== undefined);
  expect(await browser.press('reject', 'https://example.com')).toBe(403);
  await browser.press('reject');
  expect(await world.outcome(id)).toMatchObject({ state: 'failed', step: -1 });
  await browser.sees((it) => it.upgrade === undefined);
  expect(await browser.press('nothing')).toBe(404);
  await program.stop('SIGTERM');
});

test('shows why a download has failed, and that the connection is gone', async () => {
  await using world = await World.open({ faults: [{ kind: 'http-status', status: 404 }] });
  const { start, id } = await begin(world);
  const program = start();
  using browser = await Browser.open(program);
  await browser.sees((it) => it.upgrade !== undefined);
  await browser.press('install');
  await browser.sees((it) => /404/.test(it.problem ?? '') && it.upgrade === undefined);
  expect(await world.outcome(id)).toMatchObject({ state: 'failed', step: -2 });
  await world.platform.close();
  await browser.sees((it) => it.connection === 'waiting' && it.problem !== undefined);
  expect(await program.stop('SIGTERM')).toEqual({ code: 0, signal: null });
});
