import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Upgrade } from 'iotkit-ota';
import type { Firmware } from 'iotkit-ota-platform';
import { Board } from './board';
import { describe, Failure } from './failure';
import { megabytes, speed } from './format';
import { Operator, statesOf } from './operator';
import { checkFirmware, type JobOptions } from './options';
import type { Screen } from './screen';

/** How many steps the job tells. */
export const STEPS = 9;

/** Members of a firmware on the platform that hold its digests. */
const digestMembers = { SHA256: 'sha256', MD5: 'md5' } as const;

/**
 * Runs the whole update; rejects with a {@link Failure}, or with the signal's reason. Leaves
 * nothing behind.
 */
export async function runJob(
  options: JobOptions,
  screen: Screen,
  signal: AbortSignal,
): Promise<void> {
  const size = await checkFirmware(options.firmware);
  const folder = await makeFolder();
  let operator: Operator | undefined;
  let board: Board | undefined;
  try {
    operator = await Operator.start(options, path.join(folder, 'platform'));
    screen.step('platform', operator.describe());
    const flash = path.join(folder, 'device');
    await mkdir(flash);
    board = new Board(await operator.addDevice(), flash, options.from);
    await update({ options, screen, signal, operator, board, size });
  } finally {
    await board?.shutDown();
    await operator?.close();
    await rm(folder, { recursive: true, force: true });
  }
}

async function makeFolder(): Promise<string> {
  try {
    return await mkdtemp(path.join(tmpdir(), 'iotkit-ota-main-job-'));
  } catch (error) {
    throw new Failure(
      'platform',
      `there is no temporary folder: ${describe(error)}`,
      'Name a writable one in TMPDIR.',
      { cause: error },
    );
  }
}

interface Job {
  readonly options: JobOptions;
  readonly screen: Screen;
  readonly signal: AbortSignal;
  readonly operator: Operator;
  readonly board: Board;
  readonly size: number;
}

async function update(job: Job): Promise<void> {
  const { options, screen, signal, operator, board, size } = job;
  await board.boot(signal);
  screen.step('device', 'signed in over TLS with HMAC-SHA256, subscribed to its OTA topics');
  const before = await board.reportVersion(signal);
  screen.step('version', `${before} runs; reported and acknowledged`);

  const firmware = await operator.upload(options.firmware);
  const name = path.basename(options.firmware);
  screen.step('firmware', `${name}, ${megabytes(size)}, uploaded as ${firmware.version}`);
  const announced = board.nextUpgrade(signal);
  const upgradeId = await operator.startUpgrade(firmware);
  const upgrade = await noticeOf(job, announced, upgradeId);
  screen.step('upgrade', `started; notice ${upgrade.id} pushed and accepted`);

  const seconds = await download(job, upgrade);
  await verify(board.imagePath, firmware);
  screen.step('image', `${options.digest} verified, written atomically to ${board.imagePath}`);
  await board.shutDown();
  await board.boot(signal);
  const after = await board.reportVersion(signal);
  screen.step('restart', `signed in again, ${after} runs; reported and acknowledged`);
  const states = await outcome(job, upgradeId);
  screen.step('outcome', 'the platform calls the upgrade succeeded');
  screen.table([
    ['size', `${megabytes(size)} (${size} bytes)`],
    ['time', `${seconds.toFixed(2)} s`],
    ['speed', speed(size / seconds)],
    [options.digest, firmware[digestMembers[options.digest]]],
    ['states', states],
  ]);
}

/** The announced upgrade; a notice the device refuses ends the task on the platform. */
async function noticeOf(
  { operator, signal }: Job,
  announced: Promise<Upgrade>,
  upgradeId: string,
): Promise<Upgrade> {
  const settled = new AbortController();
  const refused = operator
    .outcome(upgradeId, AbortSignal.any([signal, settled.signal]))
    .then((task): never => {
      throw new Failure(
        'notice',
        `the device refused the notice: ${task.desc ?? task.state}`,
        'The platform sent what the protocol does not allow.',
      );
    });
  try {
    return await Promise.race([announced, refused]);
  } finally {
    refused.catch(() => undefined);
    announced.catch(() => undefined);
    settled.abort();
  }
}

/** Installs the image, shown from both ends; resolves with the seconds it took. */
async function download(job: Job, upgrade: Upgrade): Promise<number> {
  const { board, operator, screen, signal, size } = job;
  const view = screen.transfer(size);
  const reported = operator.onProgress((step) => view.platform(step), signal);
  const begin = performance.now();
  let seconds: number;
  try {
    await board.install(upgrade, { signal, onProgress: (progress) => view.device(progress) });
    seconds = (performance.now() - begin) / 1000;
    await reported.complete;
  } finally {
    reported.stop();
    view.stop();
  }
  screen.step('download', 'complete; the platform has seen every report up to 100 %');
  return seconds;
}

/** The device has verified the image; this looks at the file with another program's eyes. */
async function verify(file: string, firmware: Firmware): Promise<void> {
  const hash = createHash('sha256');
  try {
    await pipeline(createReadStream(file), hash);
  } catch (error) {
    throw new Failure(
      'image',
      `the installed image cannot be read: ${describe(error)}`,
      'The temporary folder (TMPDIR) must stay readable.',
      { cause: error },
    );
  }
  if (hash.digest('hex') !== firmware.sha256) {
    throw new Failure('image', 'the installed image is not the uploaded one', 'Please report it.');
  }
}

async function outcome({ operator, signal }: Job, upgradeId: string): Promise<string> {
  const task = await operator.outcome(upgradeId, signal);
  if (task.state !== 'succeeded') {
    const last = task.history.at(-1);
    throw new Failure(
      'outcome',
      `the platform calls the upgrade ${task.state}: ${last?.reason} ${task.desc ?? ''}`.trimEnd(),
      'The device must report the version of the image after its restart.',
    );
  }
  return statesOf(task);
}
