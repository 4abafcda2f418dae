import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Subscription } from '../../../../lib/base/listeners';
import { askAgent, ControlServer, socketOf } from '../../../../lib/cli/agent/control';
import type { ConsentRequest } from '../../../../lib/install/consent';

let folder: string;
let record: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'iotkit-control-'));
  record = path.join(folder, 'record');
});
afterEach(() => rmSync(folder, { recursive: true }));

/** An agent that asks, and a server for it. */
class Asking implements AsyncDisposable {
  readonly answers: string[] = [];
  readonly errors: string[] = [];
  readonly server: ControlServer;
  readonly #waiting = new Map<string, ConsentRequest>();

  constructor() {
    const on = (_: string, listener: (request: never) => void): Subscription => {
      for (const request of this.#waiting.values()) listener(request as never);
      return { off() {}, [Symbol.dispose]() {} };
    };
    this.server = new ControlServer({ on }, record, (message) => this.errors.push(message));
  }

  ask(module: string, version = '2.0.0'): void {
    const answer = (text: string): void => {
      this.#waiting.delete(module);
      this.answers.push(`${module} ${version}: ${text}`);
    };
    this.#waiting.set(module, {
      ...{ step: 'install', module, version, from: '1.0.0', size: 7 },
      accept: () => answer('yes'),
      refuse: (reason = 'no') => answer(reason),
    });
  }

  /** The update has ended, or is another one, without an answer. */
  withdraw(module: string): void {
    this.#waiting.delete(module);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
  }
}

const update = { version: '2.0.0', from: '1.0.0', size: 7, step: 'install' };

test('what waits, and the answer', async () => {
  await using asking = new Asking();
  expect(await askAgent(record, { ask: 'waiting' })).toEqual({
    ...{ ok: true, pid: process.pid, updates: [] },
  });
  asking.ask('');
  expect(await askAgent(record, { ask: 'waiting' })).toMatchObject({
    updates: [{ module: 'default', ...update }],
  });
  expect(await askAgent(record, { ask: 'answer', accept: true, module: 'app' })).toMatchObject({
    ok: false,
  });
  expect(await askAgent(record, { ask: 'answer', accept: true })).toMatchObject({
    updates: [{ module: 'default' }],
  });
  expect(asking.answers).toEqual([' 2.0.0: yes']);
  expect(await askAgent(record, { ask: 'answer', accept: true })).toMatchObject({ ok: false });
});

test('of several one has to be named', async () => {
  await using asking = new Asking();
  asking.ask('');
  asking.ask('app');
  const any = await askAgent(record, { ask: 'answer', accept: false });
  expect(any).toEqual({ ok: false, message: expect.stringContaining('default, app') });
  const refusal = { ask: 'answer', accept: false, module: 'app', reason: 'later' } as const;
  expect(await askAgent(record, refusal)).toMatchObject({ ok: true });
  expect(asking.answers).toEqual(['app 2.0.0: later']);
});

test('what no longer waits is neither shown nor answered', async () => {
  await using asking = new Asking();
  asking.ask('');
  asking.withdraw('');
  expect(await askAgent(record, { ask: 'waiting' })).toMatchObject({ updates: [] });
  expect(await askAgent(record, { ask: 'answer', accept: true })).toMatchObject({ ok: false });
  expect(asking.answers).toEqual([]);
});

test('what waits of one module alone', async () => {
  await using asking = new Asking();
  asking.ask('');
  asking.ask('app');
  const app = { ask: 'waiting', module: 'app' } as const;
  expect(await askAgent(record, app)).toMatchObject({ updates: [{ module: 'app' }] });
});

test('who has seen one version accepts no other one', async () => {
  await using asking = new Asking();
  asking.ask('', '3.0.0'); // meanwhile
  const seen = { ask: 'answer', accept: true, version: '2.0.0' } as const;
  expect(await askAgent(record, seen)).toEqual({
    ok: false,
    message: '2.0.0 does not wait for consent, but default 3.0.0',
  });
  expect(asking.answers).toEqual([]);
  expect(await askAgent(record, { ...seen, version: '3.0.0' })).toMatchObject({ ok: true });
  expect(asking.answers).toEqual([' 3.0.0: yes']);
});

test('of several the version chooses, too', async () => {
  await using asking = new Asking();
  asking.ask('', '3.0.0');
  asking.ask('app');
  const one = { ask: 'answer', accept: false, version: '2.0.0' } as const;
  expect(await askAgent(record, { ...one, module: 'default' })).toMatchObject({
    message: 'default 2.0.0 does not wait for consent, but default 3.0.0, app 2.0.0',
  });
  expect(await askAgent(record, one)).toMatchObject({ updates: [{ module: 'app' }] });
  expect(asking.answers).toEqual(['app 2.0.0: no']);
});

test('it is for its user alone, and one that is left over is nobody', async () => {
  expect(await askAgent(record, { ask: 'waiting' })).toBeUndefined();
  writeFileSync(socketOf(record), '');
  expect(await askAgent(record, { ask: 'waiting' })).toBeUndefined();
  const before = process.umask();
  await using _asking = new Asking();
  expect(statSync(socketOf(record)).mode & 0o777).toBe(0o600);
  expect(process.umask()).toBe(before);
  expect(await askAgent(record, { ask: 'waiting' })).toMatchObject({ ok: true });
});

test('an agent without a socket works on', async () => {
  record = path.join(folder, 'x'.repeat(120));
  await using asking = new Asking();
  await new Promise((resolve) => setImmediate(resolve));
  expect(asking.errors).toEqual([expect.stringContaining('other commands cannot ask')]);
});

test.each(['', 'null', '7', '{}', '[]', '{"ask":"answer"}', '{"ask":"__proto__"}', '{'])(
  '%j is answered, and breaks nothing',
  async (line) => {
    await using asking = new Asking();
    asking.ask('');
    const socket = connect(socketOf(record));
    socket.end(`${line}\n`);
    let text = '';
    for await (const part of socket) text += part;
    expect(JSON.parse(text)).toMatchObject({ ok: false });
    expect(asking.answers).toEqual([]);
  },
);

test('a line without an end is given up', async () => {
  await using _asking = new Asking();
  const socket = connect(socketOf(record));
  socket.on('error', () => {});
  socket.write('x'.repeat(64 * 1024));
  await new Promise((resolve) => socket.once('close', resolve));
});

test('an agent that ends before it has answered is one that is not to be reached', async () => {
  const server = createServer((socket) => socket.resume().end()).listen(socketOf(record));
  await expect(askAgent(record, { ask: 'waiting' })).rejects.toMatchObject({
    ...{ code: 'ERR_CONNECTION_CLOSED', message: 'the agent has ended before it answered' },
  });
  await new Promise((resolve) => server.close(resolve));
});

test('what is too long for a line is not asked', async () => {
  await using asking = new Asking();
  asking.ask('');
  const refusal = { ask: 'answer', accept: false, reason: 'x'.repeat(20_000) } as const;
  await expect(askAgent(record, refusal)).rejects.toMatchObject({ code: 'ERR_USAGE' });
  expect(asking.answers).toEqual([]);
});
