import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Firmware, localIdentity, type TlsIdentity } from 'iotkit-ota-platform';
import { setDigestsBeside } from '../support/digest-threads';
import { FaultServer } from '../support/fault-server';
import { type Announced, nextUpgrade, World } from '../support/world';
import { type DownloadCase, image, quick } from './download-cases/case';
import { connections } from './download-cases/connections';
import { framing } from './download-cases/framing';
import { heads } from './download-cases/heads';
import { parallel } from './download-cases/parallel';
import { policies } from './download-cases/policies';
import { ranges } from './download-cases/ranges';
import { redirects } from './download-cases/redirects';
import { statuses } from './download-cases/statuses';

// The table: what the server does, what the engine does about it, what the user sees. Each row runs
// over HTTP and over HTTPS into a file, and where that may differ over HTTP into the program. Over
// HTTP one thread does all of it, over HTTPS a second one digests.

const table: Readonly<Record<string, readonly DownloadCase[]>> = {
  connections,
  ranges,
  framing,
  heads,
  statuses,
  redirects,
  policies,
  parallel,
};
const intoProgram = ['connections', 'ranges', 'parallel'];

let identity: TlsIdentity;
let world: World;
let cases = 0;
const stored = new Map<Buffer, Promise<Firmware>>();

beforeAll(async () => {
  const directory = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-ca-'));
  identity = await localIdentity(directory, ['127.0.0.1', 'localhost']);
  await rm(directory, { recursive: true });
  world = await World.openShared({ tls: identity });
});

afterAll(() => world[Symbol.asyncDispose]());

/** Each image is stored once. */
function firmwareOf(announced: Buffer): Promise<Firmware> {
  const known = stored.get(announced) ?? world.store(announced);
  stored.set(announced, known);
  return known;
}

/**
 * The image of a case is announced with a URL of the fault server, and from then on with another.
 */
async function announce(
  { image: announced = image, fetch = {} }: DownloadCase,
  server: FaultServer,
): Promise<Pick<Announced, 'upgrade' | 'upgradeId' | 'device'>> {
  const deviceName = `device${cases++}`;
  const { faults, upgrades } = world.platform;
  const renewed = `${server.url}&renewed`;
  faults.set({ kind: 'notice-patch', deviceName, data: { url: server.url }, times: 1 });
  faults.set({ kind: 'notice-patch', deviceName, data: { url: renewed }, skip: 1 });
  const firmware = await firmwareOf(announced);
  const key = await world.register(deviceName);
  const options = typeof fetch === 'function' ? fetch(server) : fetch;
  const device = await world.connect(key, { fetch: { ...quick, ...options } });
  await world.report(device, '1.0.0');
  const upgrade = nextUpgrade(device);
  const { id } = await upgrades.start({ firmwareId: firmware.id, devices: [deviceName] });
  return { device, upgrade: await upgrade, upgradeId: id };
}

function start(row: DownloadCase, scheme: 'http' | 'https'): Promise<FaultServer> {
  const { schedule, image: served = image } = row;
  return FaultServer.start({
    image: served,
    schedule,
    ...(scheme === 'https' && { tls: identity }),
  });
}

/** What the server was asked for, in the form of the table. */
function askedOf(server: FaultServer, row: Pick<DownloadCase, 'requests'>): unknown {
  if (row.requests === undefined) return undefined;
  if (typeof row.requests === 'number') return server.requests.length;
  return server.requests.map(({ range = '' }) => range);
}

function wanted({ requests }: Pick<DownloadCase, 'requests'>): unknown {
  if (requests === undefined || typeof requests === 'number') return requests;
  return requests.map((range) =>
    typeof range === 'string' ? range : expect.stringMatching(range),
  );
}

describe.each(Object.keys(table))('%s', (part) => {
  const rows = table[part] as readonly DownloadCase[];

  describe.each(['http', 'https'] as const)('%s into a file', (scheme) => {
    const here = rows.filter(({ over = scheme }) => over === scheme);
    beforeAll(() => setDigestsBeside(scheme === 'https'));

    test.each(here)('$server → $ends: $engine', async (row) => {
      await using server = await start(row, scheme);
      const { upgrade, upgradeId, device } = await announce(row, server);
      const folder = world.path(device.deviceName);
      await mkdir(folder);
      const target = path.join(folder, 'firmware.bin');

      const outcome = await upgrade.download(target).then(
        () => 'ok',
        (error) => error.code ?? error,
      );
      await server.settled();

      expect({ ends: outcome, requests: askedOf(server, row) }).toEqual({
        ends: row.ends,
        requests: wanted(row),
      });
      row.also?.(server);
      if (row.ends === 'ok') {
        expect((row.image ?? image).equals(await readFile(target))).toBe(true);
        expect(await readdir(folder)).toEqual(['firmware.bin']);
      } else {
        expect(await readdir(folder)).toEqual(
          row.keeps ? ['firmware.bin.part', 'firmware.bin.part.journal'] : [],
        );
        expect((await world.outcome(upgradeId)).state).toBe('failed');
      }
    });
  });
});

describe.each(intoProgram)('%s, http into the program', (part) => {
  const rows = (table[part] as readonly DownloadCase[]).filter(({ over }) => over !== 'https');

  test.each(rows.map((row) => ({ ...row, ...row.chunks })))('$server → $ends', async (row) => {
    await using server = await start(row, 'http');
    const { upgrade } = await announce(row, server);
    const parts: Buffer[] = [];

    let outcome = 'ok';
    try {
      for await (const chunk of upgrade) parts.push(Buffer.from(chunk));
    } catch (error) {
      outcome = (error as { code: string }).code ?? error;
    }
    await server.settled();

    expect({ ends: outcome, requests: askedOf(server, row) }).toEqual({
      ends: row.ends,
      requests: wanted(row),
    });
    const got = Buffer.concat(parts);
    const announced = row.image ?? image;
    if (row.ends === 'ok') expect(announced.equals(got)).toBe(true);
  });
});
