import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { imageOf, md5, sha256 } from '../support/image';

const script = path.resolve(__dirname, '..', '..', 'examples', 'dist', 'main-job', 'index.js');
const image = imageOf(3_000_001);

let folder: string;
const at = (name: string): string => path.join(folder, name);

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-test-'));
  await mkdir(at('tmp'));
  await writeFile(at('image.bin'), image);
});

const running = new Set<ChildProcess>();

afterEach(async () => {
  for (const child of running) child.kill('SIGKILL');
  // However it ended, the job has cleaned up after itself.
  expect(await readdir(at('tmp'))).toEqual([]);
  await rm(folder, { recursive: true });
});

interface Result {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs the main job with temporary files in a folder of their own; `watch` sees its output grow.
 */
async function runMainJob(
  args: readonly string[],
  watch: (stdout: string, kill: (signal: NodeJS.Signals) => void) => void = () => {},
): Promise<Result> {
  const child = spawn(process.execPath, [script, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: at('tmp') },
  });
  running.add(child);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
    watch(stdout, (signal) => child.kill(signal));
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  running.delete(child);
  return { code, stdout, stderr };
}

test.each([
  { args: [], digest: `SHA256 +${sha256(image)}` },
  { args: ['--protocol', 'http', '--digest', 'md5'], digest: `MD5 +${md5(image)}` },
])('a device is updated from end to end $args', async ({ args, digest }) => {
  const { code, stdout, stderr } = await runMainJob(['--firmware', at('image.bin'), ...args]);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  const steps = [...stdout.matchAll(/^ (\d)\/9 (\w+)/gm)].map(([, n, name]) => `${n} ${name}`);
  expect(steps).toEqual([
    '1 platform',
    '2 device',
    '3 version',
    '4 firmware',
    '5 upgrade',
    '6 download',
    '7 image',
    '8 restart',
    '9 outcome',
  ]);
  expect(stdout).toMatch(/device 100 % \| 3\.0 MB \| /);
  expect(stdout).toMatch(/platform 100 % reported/);
  expect(stdout).toMatch(/size +3\.0 MB \(3000001 bytes\)/);
  expect(stdout).toMatch(new RegExp(digest));
  expect(stdout).toMatch(/states +pending → pushed → upgrading → succeeded/);
});

test('the default firmware is the running node executable', async () => {
  const { code, stdout } = await runMainJob([]);
  expect(code).toBe(0);
  expect(stdout).toContain(`4/9 firmware  ${path.basename(process.execPath)}, `);
});

test.each([
  { fault: 'wrong-secret', code: 5, says: 'ERR_MQTT_CREDENTIALS' },
  { fault: 'bad-notice', code: 6, says: 'ERR_DIGEST_METHOD' },
  { fault: 'not-found', code: 7, says: 'ERR_HTTP_STATUS' },
  { fault: 'short', code: 8, says: 'ERR_SIZE_MISMATCH' },
  { fault: 'corrupt', code: 8, says: 'ERR_DIGEST_MISMATCH' },
])('$fault ends with exit code $code and says why', async ({ fault, code, says }) => {
  const result = await runMainJob(['--firmware', at('image.bin'), '--fault', fault]);
  expect(result.code).toBe(code);
  expect(result.stderr).toMatch(/^\nFailed at step \d\/9 \(\w+\): .+\n.+\n$/);
  expect(result.stderr).toContain(says);
});

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s in the middle of the download ends it in order',
  async (signal) => {
    let sent = false;
    const result = await runMainJob(
      ['--firmware', at('image.bin'), '--fault', 'slow'],
      (stdout, kill) => {
        if (sent || !/device [1-9]/.test(stdout)) return;
        sent = true;
        kill(signal);
      },
    );
    expect(result.stderr).toContain('Interrupted');
    expect(result.code).toBe(130);
  },
);

test.each([
  { args: ['--firmware', 'missing.bin'], code: 3, says: 'does not exist' },
  { args: ['--frimware', 'x'], code: 2, says: '--frimware' },
])('$args ends with exit code $code before anything is started', async ({ args, code, says }) => {
  const result = await runMainJob(args);
  expect(result.code).toBe(code);
  expect(result.stderr).toContain(says);
  expect(result.stdout).not.toContain('1/9');
});

test('--help tells the options and the exit codes', async () => {
  const { code, stdout } = await runMainJob(['--help']);
  expect(code).toBe(0);
  expect(stdout).toContain('--firmware FILE');
  expect(stdout).toMatch(/0 updated, 2 usage, 3 firmware/);
});
