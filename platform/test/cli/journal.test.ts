import { rm } from 'node:fs/promises';
import { PassThrough } from 'node:stream';
import { JsonJournal, TextJournal } from '../../src/cli/journal';
import { PRODUCT, readyDevice } from '../support/device';
import { bytes } from '../support/download';
import { startPlatform, temporaryFolder } from '../support/start';

/** A stream and what was written to it. */
function memory(more: object = {}): { stream: NodeJS.WriteStream; text: () => string } {
  const stream = Object.assign(new PassThrough(), more);
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return {
    stream: stream as unknown as NodeJS.WriteStream,
    text: () => Buffer.concat(chunks).toString(),
  };
}

test('a JSON log has request ids and events, and no secret', async () => {
  const { stream, text } = memory();
  const journal = new JsonJournal(stream);
  const platform = await startPlatform({ log: journal.log });
  journal.ready([['operator', 'http://x']]);
  journal.follow(platform);
  const lamp = await readyDevice(platform);
  const headers = { authorization: `Bearer ${platform.operatorToken}` };
  const answer = await fetch(`${platform.apiUrl}/status?token=${platform.operatorToken}`, {
    headers,
  });
  await answer.text();
  await platform.close();
  const lines = text()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(lines[0]).toMatchObject({
    level: 'info',
    msg: 'ready',
    addresses: { operator: 'http://x' },
  });
  expect(lines.map(({ msg }) => msg)).toEqual(
    expect.arrayContaining(['device-connected', 'version-reported', 'request']),
  );
  expect(lines.find(({ msg }) => msg === 'request')).toMatchObject({
    requestId: answer.headers.get('x-request-id'),
    method: 'GET',
    path: '/api/status',
    status: 200,
  });
  for (const secret of [platform.operatorToken, lamp.device.deviceSecret]) {
    expect(text()).not.toContain(secret);
  }
});

test('quietly, only what is wrong with the platform itself is told', async () => {
  const { stream, text } = memory();
  const stateDir = await temporaryFolder();
  const before = await startPlatform({ stateDir });
  const { id } = await before.firmware.add({
    productKey: PRODUCT,
    version: '2',
    data: bytes(10),
  });
  await before.close();
  await rm(`${stateDir}/firmware/${id}.bin`);
  const platform = await startPlatform({ stateDir });
  new TextJournal(stream).follow(platform, true);
  const told = platform.waitFor('state-problem');
  await readyDevice(platform);
  await told;
  expect(text()).toMatch(/^\S+ image "firmware\/[^\n]*: it is not there\n$/);
});

test('a member that is a secret is not written, whoever hands it over', () => {
  const { stream, text } = memory();
  const journal = new JsonJournal(stream);
  journal.log?.('warn', 'odd', { deviceSecret: 'hunter2', device: { password: 'hunter2' } });
  expect(text()).toContain('"level":"warn"');
  expect(text()).not.toContain('hunter2');
});

test.each([
  ['text', (stream: NodeJS.WriteStream) => new TextJournal(stream)],
  ['JSON', (stream: NodeJS.WriteStream) => new JsonJournal(stream)],
])('no line of a log of %s steers the terminal', (_, open) => {
  const { stream, text } = memory();
  const journal = open(stream);
  const words = '\u001b[2J\u009b2J\u202e\u2028';
  journal.say(`lamp reports ${words} 2.0.0`);
  journal.log?.('warn', 'odd', { words });
  expect(text()).toContain('\\u001b[2J\\u009b2J\\u202e\\u2028');
  expect(text()).toMatch(/^[\n -~]+$/);
});

test('on a terminal a running upgrade has a bar, and events stand above it', async () => {
  const { stream, text } = memory({ isTTY: true, columns: 120 });
  const journal = new TextJournal(stream);
  const platform = await startPlatform();
  journal.follow(platform);
  const lamp = await readyDevice(platform);
  const firmware = await platform.firmware.add({
    productKey: PRODUCT,
    version: '2.0.0',
    data: bytes(10),
  });
  const { id } = await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
  await lamp.notice();
  await lamp.progress(50);
  await lamp.inform('2.0.0');
  await platform.upgrades.settled(id);
  await new Promise(setImmediate);
  journal.close();
  expect(text()).toContain(`${id} 2.0.0 |`);
  expect(text()).toMatch(/100 % {2}succeeded=1/);
  expect(text()).toContain('lamp reports version 1.0.0');
});
