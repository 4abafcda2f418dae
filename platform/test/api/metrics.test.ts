import { PRODUCT, readyDevice } from '../support/device';
import { bytes, download } from '../support/download';
import { startPlatform } from '../support/start';

test('/metrics speaks Prometheus, and counts what happens', async () => {
  const platform = await startPlatform();
  const at = platform.apiUrl.replace(/\/api$/, '/metrics');
  expect((await fetch(at)).status).toBe(401);
  const lamp = await readyDevice(platform);
  const firmware = await platform.firmware.add({
    productKey: PRODUCT,
    version: '2.0.0',
    data: bytes(1000),
  });
  const { id } = await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
  const ended = platform.waitFor('download');
  await download(platform, (await lamp.notice()).data.url);
  await ended;
  await lamp.inform('2.0.0');
  await platform.upgrades.settled(id);

  const headers = { authorization: `Bearer ${platform.operatorToken}` };
  const answer = await fetch(at, { headers });
  expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  const lines = (await answer.text()).split('\n');
  expect(lines).toEqual(
    expect.arrayContaining([
      '# TYPE iotkit_platform_devices gauge',
      'iotkit_platform_devices 1',
      'iotkit_platform_devices_online 1',
      'iotkit_platform_tasks{state="succeeded"} 1',
      'iotkit_platform_tasks{state="pending"} 0',
      'iotkit_platform_state_degraded 0',
      'iotkit_platform_broker_connected 1',
      'iotkit_platform_task_transitions_total{reason="version-reported"} 1',
      'iotkit_platform_downloads_total{status="200"} 1',
      'iotkit_platform_download_bytes_total 1000',
      'iotkit_platform_version_reports_total 2',
    ]),
  );
  expect(lines.join('\n')).not.toContain('lamp');
});

test('/healthz needs no token and says no more than whether all is well', async () => {
  const platform = await startPlatform();
  const answer = await fetch(platform.apiUrl.replace(/\/api$/, '/healthz'));
  expect([answer.status, await answer.json()]).toEqual([200, { status: 'ok' }]);
});
