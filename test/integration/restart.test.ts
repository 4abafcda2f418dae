import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { serve } from '../support/fault-replies';
import { FaultServer, type Reply } from '../support/fault-server';
import { imageOf } from '../support/image';
import { deviceVariable } from '../support/served';
import { type Registered, World } from '../support/world';

// Programs that download and are killed in the middle, and those that come after them.

const program = path.join(__dirname, 'children', 'download.cjs');
const image = imageOf(8_000_009);
/** Between two places from which a download of the image may go on, and what is in flight. */
const STEP = 128 * 1024;

/** A line of the program. */
interface Line {
  readonly received?: number;
  readonly ends?: string;
  readonly left?: readonly string[];
}

interface Scene extends AsyncDisposable {
  readonly world: World;
  readonly server: FaultServer;
  readonly target: string;
  readonly start: (deviceName?: string) => Child;
}

/** A running program. */
class Child {
  readonly lines: Line[] = [];
  readonly ended: Promise<unknown>;
  readonly #child;

  constructor(env: NodeJS.ProcessEnv) {
    this.#child = spawn(process.execPath, [program], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...env },
    });
    createInterface(this.#child.stdout).on('line', (line) => this.lines.push(JSON.parse(line)));
    this.ended = once(this.#child, 'close');
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }

  /** The next line that fits. */
  async line(fits: (line: Line) => boolean): Promise<Line> {
    for (;;) {
      const found = this.lines.find(fits);
      if (found !== undefined) return found;
      await Promise.race([once(this.#child.stdout, 'data'), this.ended]);
      if (this.#child.exitCode !== null && !this.lines.some(fits)) {
        throw new Error(`it ended after ${JSON.stringify(this.lines)}`);
      }
    }
  }

  /** How far it was when it last said so. */
  get received(): number {
    return Math.max(0, ...this.lines.map(({ received = 0 }) => received));
  }
}

async function openScene(schedule: readonly Reply[]): Promise<Scene> {
  const world = await World.open();
  const server = await FaultServer.start({ image, schedule });
  const target = world.path('firmware.bin');
  const { platform } = world;
  platform.faults.set({ kind: 'notice-patch', data: { url: server.url } });
  const devices = await Promise.all(['lamp', 'other'].map((name) => world.register(name)));
  const { id: firmwareId } = await world.store(image);
  await platform.upgrades.start({ firmwareId, devices: ['lamp', 'other'] });
  return {
    world,
    server,
    target,
    start: (deviceName = 'lamp') => {
      const device = devices.find((each) => each.deviceName === deviceName) as Registered;
      return new Child({
        DEVICE: deviceVariable(world, device),
        TARGET: JSON.stringify(target),
        DISK: world.directory,
      });
    },
    [Symbol.asyncDispose]: async () => {
      await world[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Where each request began. */
const startsOf = (server: FaultServer): number[] =>
  server.requests.map(({ range = 'bytes=0-' }) => Number(/\d+/.exec(range)?.[0]));

test('programs that are killed again and again fetch hardly a byte twice', async () => {
  await using scene = await openScene([serve({ bytesPerSecond: 4_000_000 })]);
  const { server, start, target } = scene;
  let fetchedAgain = 0;
  for (const share of [0.2, 0.4, 0.6]) {
    const child = start();
    await child.line(({ received = 0 }) => received > share * image.length);
    child.kill();
    await child.ended;
    const { received } = child;

    const next = start();
    await next.line((line) => line.received !== undefined);
    const began = next.lines[0]?.received as number;
    // It may have been further than it said.
    expect(began).toBeGreaterThan(received - STEP);
    fetchedAgain += Math.max(0, received - began);
    next.kill();
    await next.ended;
  }
  expect(fetchedAgain).toBeLessThan(0.05 * image.length);

  const last = start();
  expect(await last.line(({ ends }) => ends !== undefined)).toEqual({ ends: 'ok' });
  expect(await last.line(({ left }) => left !== undefined)).toEqual({ left: ['firmware.bin'] });
  await last.ended;
  expect(image.equals(await readFile(target))).toBe(true);
  const starts = startsOf(server);
  expect(starts).toEqual([...starts].sort((a, b) => a - b));
});

test('a program that gives up leaves what the next one needs', async () => {
  const half = serve({ after: 3_000_000, ending: 'cut' });
  await using scene = await openScene([half, serve({ after: 0, ending: 'cut' })]);
  const { server, start, target } = scene;
  const first = start();
  const { ends } = await first.line((line) => line.ends !== undefined);
  expect(ends).toBe('ERR_TRUNCATED');
  expect(await first.line(({ left }) => left !== undefined)).toEqual({
    left: ['firmware.bin.part', 'firmware.bin.part.journal'],
  });
  await first.ended;

  server.reschedule([serve()]);
  const asked = server.requests.length;
  const second = start();
  expect(await second.line((line) => line.ends !== undefined)).toEqual({ ends: 'ok' });
  await second.ended;
  expect(second.lines[0]).toEqual({ received: 3_000_000 });
  expect(startsOf(server).slice(asked)).toEqual([3_000_000]);
  expect(image.equals(await readFile(target))).toBe(true);
});

test("of two programs at one target the second is told; one that is killed is in nobody's way", async () => {
  const stalled = serve({ after: 3_000_000, ending: 'stall' });
  await using scene = await openScene([stalled, serve()]);
  const { server, start, target } = scene;
  const first = start('lamp');
  await first.line(({ received }) => received === 3_000_000);
  const second = start('other');
  expect(await second.line(({ ends }) => ends !== undefined)).toEqual({ ends: 'ERR_FILE_LOCKED' });
  await second.ended;
  expect(startsOf(server)).toEqual([0]);

  first.kill();
  await first.ended;
  const third = start('other');
  expect(await third.line(({ ends }) => ends !== undefined)).toEqual({ ends: 'ok' });
  await third.ended;
  const [, began] = startsOf(server);
  expect(began).toBeGreaterThan(3_000_000 - STEP);
  expect(image.equals(await readFile(target))).toBe(true);
});
