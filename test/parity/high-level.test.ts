import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect, type Device, IotkitError } from 'iotkit-ota';
import { http } from './scenarios/http';
import { notices } from './scenarios/notices';
import { Broker } from './support/broker';
import { buildDriver } from './support/build';
import { CLibrary } from './support/c-library';
import { DEFAULT_SIZE, fill, hide, type Outcome, runScenario, valuesOf } from './support/run';
import { DEVICE_NAME, ioctl, PRODUCT_KEY, type Scenario, topics } from './support/scenario';
import { makeImage, Server } from './support/server';

/** What both ways must show alike. */
interface Seen {
  readonly requests: readonly string[];
  /** SHA-256 of the file under its final name; empty when there is none. */
  readonly file: string;
  /** What the platform was told of a notice that was refused. */
  readonly refusals: readonly string[];
}

const { upgrade: upgradeTopic, progress } = topics();
// Built before the first test, because tests run side by side from the start.
const driver = buildDriver();

/** Firmware that CHECK_FIRMWARE does not call valid is not kept. */
function seenInC(outcome: Outcome, steps: Scenario['steps']): Seen {
  const checks = steps.filter((step) => 'call' in step && step.args[1] === ioctl.CHECK_FIRMWARE);
  const valid = outcome.replies.some(
    ({ call, reply }) =>
      call === 'IOT_OTA_Ioctl' && reply.touched === 3 && reply.bytes === '01000000',
  );
  expect(checks.length).toBeGreaterThan(0);
  return {
    requests: outcome.requests,
    file: valid ? outcome.file : '',
    refusals: refusalsIn(outcome.packets),
  };
}

const refusalsIn = (packets: readonly { name: string; body: string }[]) =>
  packets
    .filter(
      ({ name, body }) =>
        name === 'PUBLISH' && body.includes(progress) && body.includes('"step":"-1"'),
    )
    .map(({ body }) => body);

/** Takes one notice, and downloads what it announces. */
async function seenInTypeScript(
  scenario: Scenario,
  notice: string,
  isTaken: boolean,
): Promise<Seen> {
  const image = makeImage(scenario.size ?? DEFAULT_SIZE);
  const broker = await Broker.start(scenario.broker);
  const server = await Server.start(image, scenario.answers);
  const folder = await mkdtemp(path.join(tmpdir(), 'iotkit-parity-'));
  const values = valuesOf(image, broker, server);
  if (scenario.upgrade) broker.upgrade = fill(scenario.upgrade, values);
  const target = path.join(folder, 'firmware');
  try {
    const device = await connect({
      productKey: PRODUCT_KEY,
      deviceName: DEVICE_NAME,
      deviceSecret: 'secret',
      url: `mqtt://127.0.0.1:${broker.port}`,
    });
    try {
      await broker.until(({ name, body }) => name === 'SUBSCRIBE' && body.includes(upgradeTopic));
      const upgrade = isTaken ? nextUpgrade(device) : undefined;
      broker.publish(upgradeTopic, Buffer.from(fill(notice, values)), 1);
      if (upgrade) await download(await upgrade, target);
      else
        await broker.until(({ name, body }) => name === 'PUBLISH' && body.includes('"step":"-1"'));
    } finally {
      await device.close();
    }
    const file = (await readdir(folder)).includes('firmware') ? await readFile(target) : undefined;
    return {
      requests: server.requests,
      file: file ? createHash('sha256').update(file).digest('hex') : '',
      refusals: refusalsIn(broker.sent.map((sent) => hide(sent, values))),
    };
  } finally {
    await Promise.all([broker.close(), server.close()]);
    await rm(folder, { recursive: true });
  }
}

async function nextUpgrade(device: Device) {
  for await (const upgrade of device.ota.upgrades()) return upgrade;
  throw new Error('no upgrade came');
}

async function download(upgrade: Awaited<ReturnType<typeof nextUpgrade>>, target: string) {
  try {
    await upgrade.download(target, { report: false });
  } catch (error) {
    if (!IotkitError.is(error)) throw error;
  }
}

const noticeOf = (scenario: Scenario) =>
  scenario.steps.flatMap((step) => ('push' in step ? [step.push] : []));
const fetches = (scenario: Scenario) => scenario.steps.some((step) => 'fetch' in step);
const refuses = (scenario: Scenario) => scenario.name.startsWith('notice, refused');
// Several files are refused by the functions that know one image alone.
const ofOneImage = (scenario: Scenario) => !scenario.name.endsWith('several files');
const comparable = [...http, ...notices].filter(
  (scenario) =>
    noticeOf(scenario).length === 1 &&
    (fetches(scenario) || refuses(scenario)) &&
    ofOneImage(scenario),
);

test.concurrent.each(comparable)('$name', async (scenario) => {
  const library = new CLibrary(await driver);
  const c = runScenario(scenario, library).finally(() => library.close());
  const [notice = ''] = noticeOf(scenario);
  const high = seenInTypeScript(scenario, notice, fetches(scenario));
  expect(await high).toEqual(seenInC(await c, scenario.steps));
});
