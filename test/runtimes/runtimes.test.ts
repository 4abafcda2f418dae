import { cp, mkdtemp, readdir } from 'node:fs/promises';
import path from 'node:path';
import { imageOf, sha256 } from '../support/image';
import { UserFolder } from '../support/packed';
import { run } from '../support/process';
import { installRuntimes, type Runtime, runtimes } from '../support/runtimes';
import { World } from '../support/world';

// One and the same tarball in every runtime, installed into an empty folder. The platform stays here: only the device
// runs there.

const image = imageOf(4_000_037);
let user: UserFolder;

beforeAll(async () => {
  await installRuntimes();
  user = await UserFolder.withPackage();
  await cp(path.join(__dirname, 'programs'), user.folder, { recursive: true });
}, 300_000);
afterAll(() => user[Symbol.asyncDispose]());

interface Ended {
  readonly code: number | null;
  readonly stderr: string;
  readonly said: unknown[];
  /** What is left in the folder it downloaded to. */
  readonly files: string[];
}

/** Runs a program as a device for which an upgrade waits. */
async function play(
  runtime: Runtime,
  file: string,
  { scenario = 'update', stalls = false } = {},
): Promise<Ended> {
  await using world = await World.open();
  const { platform } = world;
  const { productKey, deviceName, deviceSecret } = await world.register();
  const { id: firmwareId } = await world.store(image, { signMethod: 'SHA256' });
  if (stalls) platform.faults.set({ kind: 'http-stall', afterBytes: 1_000_000, firmwareId });
  await platform.upgrades.start({ firmwareId, devices: [deviceName] });
  const identity = { productKey, deviceName, deviceSecret };
  // Below the folder that restricted runtimes may read.
  const folder = await mkdtemp(user.path('run-'));
  const [program, ...args] = runtime.command(user.folder);
  const { code, stdout, stderr } = await run(program, [...args, user.path(file), scenario], {
    cwd: user.folder,
    env: {
      ...process.env,
      NO_COLOR: '1',
      DEVICE: JSON.stringify({ ...identity, url: platform.mqttsUrl, ca: platform.ca }),
      TARGET: path.join(folder, 'image'),
    },
  });
  const lines = stdout.split('\n').filter((line) => line.startsWith('{'));
  return {
    code,
    stderr,
    said: lines.map((line): unknown => JSON.parse(line)),
    files: (await readdir(folder)).sort(),
  };
}

const updated = {
  digest: sha256(image),
  toFile: sha256(image),
  inChunks: [sha256(image)],
  lastStep: image.length,
  given: 'ERR_INVALID_ARGUMENT',
  cancelled: 'not wanted',
  closed: 'ERR_CLOSED',
  branded: true,
  state: 'closed',
  threads: 0,
  holds: 0,
  tls: 'string',
};

/** What a download that did not end leaves for the next time. */
const kept = ['image.part', 'image.part.journal'];

describe.each(runtimes)('$name', (runtime) => {
  test.each(['required.cjs', 'imported.mjs'])('an update, the package %s', async (file) => {
    expect(await play(runtime, file)).toEqual({
      code: 0,
      stderr: '',
      said: [updated],
      files: ['image'],
    });
  });

  test('an update in a worker thread', async () => {
    const { code, said } = await play(runtime, 'required.cjs', { scenario: 'update in a worker' });
    expect(said).toEqual([updated, { code: 0, environments: 1, threads: 0 }]);
    expect(code).toBe(0);
  });

  test('a worker thread terminated during a download', async () => {
    const scenario = 'terminate a worker during a download';
    const ended = await play(runtime, 'required.cjs', { scenario, stalls: true });
    expect(ended.said).toEqual([{ environments: 1, threads: 0 }]);
    expect(ended).toMatchObject({ code: 0, files: kept });
  });

  test.each([
    ['exit during a download', 7],
    ['throw during a download', 1],
  ])('%s', async (scenario, code) => {
    const ended = await play(runtime, 'required.cjs', { scenario, stalls: true });
    expect(ended).toMatchObject({ code, files: kept });
  });
});

describe.each(runtimes.filter(({ hasUsing }) => hasUsing))('$name', (runtime) => {
  test('await using', async () => {
    expect(await play(runtime, 'using.mjs')).toEqual({
      code: 0,
      stderr: '',
      said: [{ threads: 0, holds: 0 }],
      files: ['image'],
    });
  });
});
