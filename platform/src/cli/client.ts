import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { messageOf, RequestError, UnreachableError } from './errors';

/** Where a running platform is found, and how to be let in. */
export interface Server {
  /** Front of the operator API, `/api` included. */
  readonly url: string;
  readonly token: string;
  /** PEM to trust with https. */
  readonly ca?: string;
}

/** A body that is sent as it is read. */
export interface Upload {
  readonly stream: Readable;
  readonly size: number;
  readonly onProgress?: (sent: number) => void;
}

/** A client of the operator API of a running platform. */
export class ApiClient {
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
  }

  get<T>(path: string): Promise<T> {
    return this.#exchange<T>('GET', path);
  }

  post<T>(path: string, body: object): Promise<T> {
    return this.#exchange<T>('POST', path, JSON.stringify(body));
  }

  patch<T>(path: string, body: object): Promise<T> {
    return this.#exchange<T>('PATCH', path, JSON.stringify(body));
  }

  put<T>(path: string, body: object): Promise<T> {
    return this.#exchange<T>('PUT', path, JSON.stringify(body));
  }

  async delete(path: string): Promise<void> {
    await this.#exchange('DELETE', path);
  }

  async upload<T>(
    path: string,
    { stream, size, onProgress }: Upload,
    method: 'POST' | 'PUT' = 'POST',
  ): Promise<T> {
    const { request, response } = this.#open(method, path, {
      'content-type': 'application/octet-stream',
      'content-length': String(size),
    });
    let sent = 0;
    const counter = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        sent += chunk.length;
        onProgress?.(sent);
        done(null, chunk);
      },
    });
    let unreadable: Error | undefined;
    stream.once('error', (error) => {
      unreadable = error;
    });
    // A refusal may come before the end of the upload, and counts more than the broken pipe.
    pipeline(stream, counter, request).catch(() => undefined);
    const answer = await response.catch((error: unknown) => {
      throw unreadable ?? error;
    });
    return parse<T>(answer, await read(answer));
  }

  /** The events of the platform, from when this resolves on; `query` selects. */
  async events(signal: AbortSignal, query = ''): Promise<AsyncIterable<{ readonly type: string }>> {
    const { request, response } = this.#open('GET', `/events${query}`);
    request.end();
    const answer = await response;
    if (answer.statusCode !== 200) parse(answer, await read(answer));
    signal.addEventListener('abort', () => answer.destroy());
    return parseEvents(answer, signal);
  }

  async #exchange<T>(method: string, path: string, body?: string): Promise<T> {
    const { request, response } = this.#open(
      method,
      path,
      body === undefined ? {} : { 'content-type': 'application/json' },
    );
    request.end(body);
    const answer = await response;
    return parse<T>(answer, await read(answer));
  }

  #open(
    method: string,
    path: string,
    headers: Readonly<Record<string, string>> = {},
  ): { request: ClientRequest; response: Promise<IncomingMessage> } {
    const { url, token, ca } = this.#server;
    const open = url.startsWith('https:') ? httpsRequest : httpRequest;
    const request = open(url + path, {
      method,
      headers: { ...headers, authorization: `Bearer ${token}` },
      ...(ca !== undefined && { ca }),
    });
    const response = new Promise<IncomingMessage>((resolve, reject) => {
      request.once('response', resolve);
      request.once('error', (error) =>
        reject(new UnreachableError(`no answer from ${url}: ${messageOf(error)}`)),
      );
    });
    // Whoever waits for the response sees the error; an upload may end without waiting.
    response.catch(() => undefined);
    return { request, response };
  }
}

async function read(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of answer) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString('utf8');
}

function parse<T>(answer: IncomingMessage, text: string): T {
  const status = answer.statusCode ?? 0;
  let body: unknown;
  try {
    body = text === '' ? undefined : JSON.parse(text);
  } catch {
    throw new RequestError('ERR_NO_PLATFORM', `the answer is no JSON (status ${status})`);
  }
  if (status >= 200 && status < 300) return body as T;
  const error = (body as { error?: { code?: string; message?: string } } | undefined)?.error;
  throw new RequestError(
    error?.code ?? 'ERR_NO_PLATFORM',
    error?.message ?? `the platform answered with status ${status}`,
  );
}

async function* parseEvents(
  answer: IncomingMessage,
  signal: AbortSignal,
): AsyncGenerator<{ readonly type: string }> {
  let rest = '';
  try {
    answer.setEncoding('utf8');
    for await (const text of answer) {
      const blocks = (rest + text).split('\n\n');
      rest = blocks.pop() ?? '';
      for (const block of blocks) {
        const data = block.split('\n').find((line) => line.startsWith('data: '));
        if (data !== undefined) yield JSON.parse(data.slice('data: '.length));
      }
    }
    if (!signal.aborted) throw new Error('it ended the stream of events');
  } catch (error) {
    if (!signal.aborted) throw new UnreachableError(`the platform went away: ${messageOf(error)}`);
  }
}
