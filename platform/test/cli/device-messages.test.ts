import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Device, Platform } from '../../src/index';
import { atEnd } from '../support/clean-up';
import { PRODUCT, TestDevice } from '../support/device';
import { cli, compiled, environment, json, serve, stateDir } from '../support/shell';

test('an operator with a shell talks to a device', async () => {
  const { printed } = await serve();
  const place = (name: string) =>
    printed
      .find((line) => line.startsWith(name))
      ?.split(/ +/)
      .at(-1) ?? '';
  const device = await json<Device>('device', 'add', PRODUCT, 'lamp');
  const user = ['device', 'publish', PRODUCT, 'lamp', 'user/get'];
  expect(await cli(...user, 'on')).toMatchObject({
    code: 4,
    out: expect.stringMatching(/user\/get +offline/),
  });
  const called = ['device', 'call', PRODUCT, 'lamp'];
  expect(await cli(...called, 'x')).toMatchObject({
    code: 1,
    err: expect.stringContaining('ERR_DEVICE_OFFLINE'),
  });

  const ca = await readFile(place('CA '), 'utf8');
  const url = place('mqtt, TLS');
  const lamp = await TestDevice.connect({ ca } as Platform, device, { url, parameters: 'ext=1' });
  const { names } = lamp;
  await lamp.client.subscribeAsync([`/${names}/user/get`, '/ext/rrpc/#', `/sys/${names}/#`]);
  expect(await json(...user, 'on', '--qos', '1')).toMatchObject({ state: 'sent' });
  expect((await lamp.next()).payload.toString()).toBe('on');
  const file = join(stateDir, 'payload.bin');
  await writeFile(file, Buffer.from([0, 0xff]));
  expect((await cli(...user, '--file', file)).code).toBe(0);
  expect((await lamp.next()).payload).toEqual(Buffer.from([0, 0xff]));

  for (const [args, front] of [
    [[], `/sys/${names}/rrpc/request/`],
    [['--topic', 'user/x', '--timeout', '8s'], '/ext/rrpc/'],
  ] as const) {
    const calling = cli(...called, 'x', ...args);
    const { topic } = await lamp.next();
    expect(topic.startsWith(front)).toBe(true);
    await lamp.client.publishAsync(topic.replace('request', 'response'), 'yes, x');
    expect(await calling).toEqual({ code: 0, out: 'yes, x', err: '' });
  }
  for (const wrong of [
    [],
    ['x', '--file', file],
    ['x', '--timeout', '9s'],
    ['--file', '/nowhere'],
  ]) {
    expect(await cli(...called, ...wrong)).toMatchObject({
      code: 1,
      err: expect.stringContaining('ERR_INVALID_ARGUMENT'),
    });
  }
  expect((await cli(...called, 'x', '--timeout', 'soon')).code).toBe(2);
});

test.each([
  [
    ['--json'],
    /^\{"type":"message",.*"payload":"\\u001b\[2J\\u009b2J","encoding":"utf8"\}\n.*"payload":"\/w==".*\n$/,
  ],
  [[], /^\S+Z \S+\/user\/a "\\u001b\[2J\\u009b2J"\n\S+Z \S+\/user\/b base64 \/w==\n$/],
])('an operator with a shell watches a device: %j', async (flags, expected) => {
  const { printed } = await serve();
  const place = (name: string) =>
    printed
      .find((line) => line.startsWith(name))
      ?.split(/ +/)
      .at(-1) ?? '';
  const device = await json<Device>('device', 'add', PRODUCT, 'lamp');
  const ca = await readFile(place('CA '), 'utf8');
  const lamp = await TestDevice.connect({ ca } as Platform, device, { url: place('mqtt, TLS') });
  const args = ['device', 'watch', PRODUCT, 'lamp', 'user/#', '--count', '2', ...flags];
  const watching = spawn(process.execPath, [join(compiled, 'cli.js'), ...args], {
    env: environment,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exited = once(watching, 'exit');
  atEnd(async () => {
    watching.kill('SIGKILL');
    await exited;
  });
  let out = '';
  watching.stdout.on('data', (chunk) => {
    out += chunk;
  });
  const printedAll = once(watching.stdout, 'end');
  await once(watching.stderr, 'data');
  await lamp.client.publishAsync(`/sys/${lamp.names}/thing/x`, 'not it', { qos: 1 });
  await lamp.client.publishAsync(`/${lamp.names}/user/a`, '\u001b[2J\u009b2J', { qos: 1 });
  await lamp.client.publishAsync(`/${lamp.names}/user/b`, Buffer.from([0xff]), { qos: 1 });
  expect(await exited).toEqual([0, null]);
  await printedAll;
  expect(out).toMatch(expected);
});
