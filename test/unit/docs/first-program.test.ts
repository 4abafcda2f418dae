/** The first program of README.md runs, and does what the page says: on a platform in memory. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { transformSync } from '@swc/core';
import { FakePlatform } from '../../../lib/testing';
import { read } from './pages';

type Modules = Readonly<Record<string, object>>;
type Program = (modules: Modules, log: { error: (error: unknown) => void }) => Promise<void>;

/** The first program as a function of what it imports. */
function firstProgram(image: string): Program {
  const [, text = ''] = /^```ts\n(.*?)^```$/ms.exec(read('README.md')) ?? [];
  expect(text).toContain("from 'iotkit-ota'");
  const body = text
    .replace(/^import (\{.*\}) from ('.*');$/gm, 'const $1 = modules[$2];')
    .replace("'/var/lib/app/firmware.bin'", JSON.stringify(image));
  const { code } = transformSync(`async function program(modules, console) {${body}}`, {
    swcrc: false,
    jsc: { target: 'es2022', parser: { syntax: 'typescript' }, externalHelpers: false },
  });
  return new Function(`${code}; return program;`)() as Program;
}

/** Runs it as a device on which `activate` does what the test says. */
async function begin(activate: () => boolean) {
  const directory = await mkdtemp(path.join(tmpdir(), 'iotkit-ota-first-'));
  const platform = new FakePlatform();
  const opened: object[] = [];
  const errors: unknown[] = [];
  const activations: ((image: string) => void)[] = [];
  const image = path.join(directory, 'firmware.bin');
  const program = firstProgram(image);
  const modules = {
    'iotkit-ota': {
      open: (options: object) => {
        opened.push(options);
        return platform.device;
      },
    },
    './my-device': {
      identity: { productKey: 'pk' },
      version: '1.0.0',
      activate: async (file: string) => {
        activations.shift()?.(file);
        return activate();
      },
    },
  };
  let failed = (_: unknown): void => {};
  const log = {
    error: (error: unknown) => {
      errors.push(error);
      failed(error);
    },
  };
  const done = program(modules, log);
  return {
    platform,
    opened,
    image,
    activated: () => new Promise<string>((resolve) => activations.push(resolve)),
    failure: () =>
      new Promise<unknown>((resolve) => {
        failed = resolve;
      }),
    async end() {
      await platform.device.close();
      await done;
      await rm(directory, { recursive: true });
    },
  };
}

const data = Buffer.from('the new firmware');

test('reports its version, downloads what is announced and activates it', async () => {
  const { platform, opened, image, activated, end } = await begin(() => true);
  const file = activated();
  platform.announce({ version: '2.0.0', data });
  expect(await file).toBe(image);
  expect(data.equals(await readFile(image))).toBe(true);
  expect(opened).toMatchObject([{ productKey: 'pk', region: 'cn-shanghai' }]);
  expect(platform.versions).toEqual([{ version: '1.0.0', module: undefined }]);
  expect(platform.taskState()).toBe('upgrading');
  await end();
});

test('outlasts a download that fails, a lost connection, and takes the next notice', async () => {
  const { platform, activated, failure, end } = await begin(() => true);
  const failed = failure();
  platform.announce({ version: '2.0.0', data, failures: ['ERR_HTTP_STATUS'] });
  expect(await failed).toMatchObject({ code: 'ERR_HTTP_STATUS' });
  expect(platform.taskState()).toBe('failed');
  platform.disconnect();
  const file = activated();
  platform.announce({ version: '2.0.0', data });
  platform.connect();
  await file;
  await end();
});

test('reports that activating has failed', async () => {
  const { platform, activated, end } = await begin(() => false);
  const file = activated();
  platform.announce({ version: '2.0.0', data });
  await file;
  await platform.device.ota.reportVersion('1.0.0');
  const desc = 'the boot slot could not be switched';
  expect(platform.steps.at(-1)).toEqual({ step: -1, desc, module: undefined });
  await end();
});

test.each([
  ...['region', 'instanceId', 'url', 'host', 'port', 'tls', 'tls: { ca }', 'logger'],
  ...['keepAlive', 'cleanSession', 'reconnect', 'connectTimeout', 'attemptTimeout'],
  ...['chunkSize', 'recycle: true', 'stats()'],
])('the page tells what %s is', (word) => {
  const code = [...read('README.md').matchAll(/`([^`\n]+)`/g)].map(([, text = '']) => text);
  expect(code.filter((text) => text.includes(word))).not.toEqual([]);
});
