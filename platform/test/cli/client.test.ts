import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { ApiClient } from '../../src/cli/client';
import { atEnd } from '../support/clean-up';

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** A client of a server that answers so. */
async function clientOf(handle: Handler): Promise<ApiClient> {
  const server = createServer(handle);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  atEnd(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  const { port } = server.address() as AddressInfo;
  return new ApiClient({ url: `http://127.0.0.1:${port}/api`, token: 'secret' });
}

/** Answers with what was asked. */
async function echo(request: IncomingMessage, response: ServerResponse): Promise<void> {
  let body = '';
  for await (const chunk of request) body += chunk;
  const { method, url, headers } = request;
  response.end(JSON.stringify({ method, url, authorization: headers.authorization, body }));
}

test('a request carries the token, and JSON both ways', async () => {
  const client = await clientOf(echo);
  const authorization = 'Bearer secret';
  expect(await client.get('/x')).toEqual({ method: 'GET', url: '/api/x', authorization, body: '' });
  expect(await client.post('/x', { a: 1 })).toMatchObject({ method: 'POST', body: '{"a":1}' });
});

test('an upload is streamed, and says how far it is', async () => {
  const client = await clientOf(echo);
  const sent: number[] = [];
  const stream = Readable.from([Buffer.from('ab'), Buffer.from('c')]);
  const upload = { stream, size: 3, onProgress: (bytes: number) => sent.push(bytes) };
  expect(await client.upload('/x', upload, 'PUT')).toMatchObject({ method: 'PUT', body: 'abc' });
  expect(sent).toEqual([2, 3]);
});

test('a refusal has the code of the platform, or says that there is none', async () => {
  const answers: [number, string][] = [
    [409, '{"error":{"code":"ERR_DEVICE_EXISTS","message":"twice"}}'],
    [502, '{}'],
    [200, '<html>'],
  ];
  const client = await clientOf((_request, response) => {
    const [status, text] = answers.shift() as [number, string];
    response.writeHead(status).end(text);
  });
  for (const expected of [
    { name: 'RequestError', code: 'ERR_DEVICE_EXISTS', message: 'twice' },
    { code: 'ERR_NO_PLATFORM', message: expect.stringContaining('502') },
    { code: 'ERR_NO_PLATFORM', message: expect.stringContaining('no JSON') },
  ]) {
    await expect(client.get('/x')).rejects.toMatchObject(expected);
  }
});

test('a file that cannot be read is the error, whatever the server says', async () => {
  const client = await clientOf(() => undefined);
  const stream = new Readable({ read: () => stream.destroy(new Error('unreadable')) });
  await expect(client.upload('/x', { stream, size: 3 })).rejects.toThrow('unreadable');
});

test('a server that is not there is unreachable', async () => {
  const client = new ApiClient({ url: 'http://127.0.0.1:9/api', token: '' });
  await expect(client.get('/x')).rejects.toMatchObject({ name: 'UnreachableError', exitCode: 3 });
});

test('events are read whatever their chunks, until the signal', async () => {
  const client = await clientOf((_request, response) => {
    response.writeHead(200);
    for (const text of [
      ': connected\n\nevent: a\nda',
      'ta: {"type":"a"}\n\n:\n\ndata: {"type":"b"}\n\n',
    ])
      response.write(text);
  });
  const controller = new AbortController();
  const types: string[] = [];
  for await (const { type } of await client.events(controller.signal)) {
    types.push(type);
    if (type === 'b') controller.abort();
  }
  expect(types).toEqual(['a', 'b']);
});

test('a stream of events that ends before the signal is a platform that went away', async () => {
  const client = await clientOf((_request, response) => response.end(': connected\n\n'));
  const events = await client.events(new AbortController().signal);
  const read = async (): Promise<void> => {
    for await (const event of events) throw new Error(`no event was sent: ${event.type}`);
  };
  await expect(read()).rejects.toMatchObject({ exitCode: 3 });
});
