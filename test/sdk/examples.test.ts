import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { PlatformOptions } from 'iotkit-ota-platform';
import { buildProgram } from '../parity/support/build';
import { imageOf, md5 } from '../support/image';
import { run } from '../support/process';
import { PRODUCT_KEY, SdkWorld } from './support';

// examples/c/ota.c and examples/ts/ota-sdk.ts are one program in two languages: as programs,
// against the platform, they print the same, write the same, and end the same.

const root = path.join(__dirname, '..', '..');
const image = imageOf(1_000_003);
let programs: Readonly<Record<'c' | 'ts', readonly string[]>>;
let directory: string;

beforeAll(async () => {
  programs = {
    c: [await buildProgram('example-ota', path.join(root, 'examples/c/ota.c'))],
    ts: [process.execPath, path.join(root, 'examples/dist/ts/ota-sdk.js')],
  };
  directory = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-example-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

type Name = keyof typeof programs;
const names = ['c', 'ts'] as const;

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** What it wrote; undefined: no file. */
  readonly file: Buffer | undefined;
  readonly states: readonly string[];
}

/** Runs one of them for a device of its own, to which an upgrade is announced. */
async function play(
  name: Name,
  {
    platform: options = {},
    tls = true,
    signMethod = 'MD5',
    arguments: change = (given) => given,
    fault,
  }: {
    readonly platform?: PlatformOptions;
    readonly tls?: boolean;
    readonly signMethod?: 'MD5' | 'SHA256';
    readonly arguments?: (given: string[]) => string[];
    readonly fault?: Parameters<SdkWorld['platform']['faults']['set']>[0];
  } = {},
): Promise<Ended> {
  await using world = await SdkWorld.open({ firmwareScheme: tls ? 'https' : 'http', ...options });
  const { platform } = world;
  const { deviceSecret } = await world.register();
  if (fault !== undefined) platform.faults.set(fault);
  const { upgradeId } = await world.upgrade(image, { signMethod });
  const ca = path.join(directory, 'ca.pem');
  const output = path.join(directory, `${name}.bin`);
  await writeFile(ca, platform.ca);
  const port = new URL(tls ? platform.mqttsUrl : platform.mqttUrl).port;
  const given = ['127.0.0.1', port, tls ? ca : '-', PRODUCT_KEY, 'lamp', deviceSecret];
  const [command, ...first] = programs[name] as [string, ...string[]];
  const ended = await run(command, [...first, ...change([...given, '1.0.0', output])]);
  const task = platform.upgrades.get(upgradeId)?.tasks[0];
  const file = (await readdir(directory)).includes(`${name}.bin`)
    ? await readFile(output)
    : undefined;
  await rm(output, { force: true });
  return { ...ended, file, states: task?.history.map(({ state }) => state) ?? [] };
}

describe.each([
  { tls: true, signMethod: 'MD5' },
  { tls: false, signMethod: 'SHA256' },
] as const)('an update, $signMethod, TLS: $tls', (options) => {
  test('goes the same way in C and in TypeScript', async () => {
    const [c, ts] = [await play('c', options), await play('ts', options)];
    expect(c).toMatchObject({ code: 0, stderr: '' });
    expect(c.file?.equals(image)).toBe(true);
    expect(c.stdout).toBe(
      `version 1.0.0 reported
upgrade to 2.0.0, 1000003 bytes, MD5 ${options.signMethod === 'MD5' ? md5(image) : 'not announced'}
fetched 1000003 of 1000003 bytes
the image is the announced one
restart
version 2.0.0 reported
`,
    );
    expect(c.states).toEqual(['pending', 'pushed', 'upgrading', 'succeeded']);
    expect(ts.file?.equals(image)).toBe(true);
    expect({ ...ts, file: c.file }).toEqual(c);
  });
});

describe.each(names)('%s', (name) => {
  test('leaves no file of a corrupt image, and says so to the platform', async () => {
    const ended = await play(name, { tls: false, fault: { kind: 'http-corrupt', offset: 5000 } });
    expect(ended).toMatchObject({ code: 1, file: undefined });
    expect(ended.stderr).toContain('IOT_OTAG_CHECK_FIRMWARE failed');
    expect(ended.states.at(-1)).toBe('failed');
  });

  test('fails where the firmware is not there', async () => {
    const ended = await play(name, { tls: false, fault: { kind: 'http-status', status: 404 } });
    expect(ended).toMatchObject({ code: 1, file: undefined });
    expect(ended.stderr).toContain('IOT_OTA_FetchYield failed: -5');
    expect(ended.states.at(-1)).toBe('failed');
  });

  test('fails where it may not sign in', async () => {
    const wrong = (given: string[]) => given.with(5, 'wrong');
    const ended = await play(name, { arguments: wrong });
    expect(ended).toMatchObject({ code: 1, file: undefined, states: ['pending'] });
    expect(ended.stderr).toContain('IOT_MQTT_Construct failed');
  });

  test('fails where the output cannot be written', async () => {
    const nowhere = (given: string[]) => given.with(7, path.join(directory, 'none', 'x.bin'));
    const ended = await play(name, { tls: false, arguments: nowhere });
    expect(ended.code).toBe(1);
    expect(ended.stderr).toContain('opening OUTPUT failed');
  });

  test.each([
    ['too few arguments', (given: string[]) => given.slice(1)],
    ['a port that is none', (given: string[]) => given.with(1, '65536')],
  ])('says how it is used: %s', async (_, change) => {
    const ended = await play(name, { arguments: change });
    expect(ended).toMatchObject({ code: 2, stdout: '', states: ['pending'] });
    expect(ended.stderr).toMatch(/^usage: ota/);
  });
});
