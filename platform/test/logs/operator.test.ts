import { readFile } from 'node:fs/promises';
import type { Device, DeviceLogEntry, Platform } from '../../src/index';
import { PRODUCT, TestDevice } from '../support/device';
import { cli, json, serve } from '../support/shell';

test('an operator with a shell asks for logs and reads them', async () => {
  const { printed } = await serve();
  const place = (name: string) =>
    printed
      .find((line) => line.startsWith(name))
      ?.split(/ +/)
      .at(-1) ?? '';
  const device = await json<Device>('device', 'add', PRODUCT, 'lamp');
  const of = (command: string) => ['device', command, PRODUCT, 'lamp'];
  const ca = await readFile(place('CA '), 'utf8');
  const url = place('mqtt, TLS');
  const lamp = await TestDevice.connect({ ca } as Platform, device, { url });
  await lamp.client.subscribeAsync(`/sys/${lamp.names}/#`);

  expect(await cli(...of('want-logs'), 'on')).toEqual({ code: 0, out: '', err: '' });
  expect((await lamp.next()).payload.toString()).toContain('"mode":1');
  expect(await cli(...of('want-logs'), 'maybe\u009b')).toMatchObject({
    code: 1,
    err: expect.stringContaining('maybe\\u009b: say on or off'),
  });

  const contents = ['one', '\u001b[2J\u009b2J\u202etwo'];
  const entries = contents.map((logContent, i) => ({
    utcTime: ['now', '2026-01-02T03:04:05.006+0000'][i],
    logLevel: 'ERROR',
    module: 'agent\u007f',
    code: '-1',
    logContent,
  }));
  await lamp.send(`/sys/${lamp.names}/thing/log/post`, entries);
  expect((await lamp.next()).topic).toMatch(/post_reply$/);
  const { out } = await cli(...of('logs'));
  const [{ receivedAt } = { receivedAt: 0 }] = await json<DeviceLogEntry[]>(...of('logs'));
  expect(out).toBe(
    `${new Date(receivedAt).toISOString()} lamp ERROR agent\\u007f:-1 one\n` +
      '2026-01-02T03:04:05.006Z lamp ERROR agent\\u007f:-1 \\u001b[2J\\u009b2J\\u202etwo\n',
  );
  expect((await cli(...of('logs'), '--json')).out).not.toMatch(/[\u007f-\u009f\u202e]/);
  expect(await json(...of('logs'), '--limit', '1')).toEqual([
    expect.objectContaining({ ...entries[1], deviceName: 'lamp' }),
  ]);
  expect(await cli(...of('logs'), '--clear')).toEqual({ code: 0, out: '', err: '' });
  expect(await json(...of('logs'))).toEqual([]);
  expect(await cli('device', 'logs', PRODUCT, 'fan')).toMatchObject({
    code: 1,
    err: expect.stringContaining('ERR_DEVICE_UNKNOWN'),
  });
  expect(await cli('upgrade', 'logs', 'x')).toMatchObject({
    code: 1,
    err: expect.stringContaining('ERR_UPGRADE_UNKNOWN'),
  });
});
