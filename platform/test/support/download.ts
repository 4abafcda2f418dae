import { createHash } from 'node:crypto';
import { Agent as HttpAgent, request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Platform } from '../../src/index';

/** An answer of the firmware server, read to its end. */
export interface Download {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Names and values by turns, as they were sent. */
  readonly rawHeaders: readonly string[];
  readonly body: Buffer;
  /** Set when the body ended before its time. */
  readonly error?: Error;
}

export interface DownloadOptions {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly agent?: HttpAgent | HttpsAgent;
  readonly signal?: AbortSignal;
  /** Called with the bytes so far. */
  readonly onData?: (received: number) => void;
}

/** One request; redirects are not followed. Rejects when there is no answer. */
export function download(
  platform: Pick<Platform, 'ca'>,
  url: string,
  options: DownloadOptions = {},
): Promise<Download> {
  const secure = url.startsWith('https:');
  const { method = 'GET', headers = {}, onData, signal } = options;
  const agent =
    options.agent ??
    (secure ? new HttpsAgent({ keepAlive: false }) : new HttpAgent({ keepAlive: false }));
  return new Promise((resolve, reject) => {
    const open = secure ? httpsRequest : httpRequest;
    const request = open(url, { method, headers, agent, ...(secure && { ca: platform.ca }) });
    signal?.addEventListener('abort', () => request.destroy(new Error('aborted')));
    let error: Error | undefined;
    // Without an effect once there is an answer.
    request.on('error', (reason) => {
      error ??= reason;
      reject(reason);
    });
    request.once('response', (response) => {
      const chunks: Buffer[] = [];
      let received = 0;
      response.on('data', (chunk: Buffer) => {
        chunks.push(chunk);
        received += chunk.length;
        onData?.(received);
      });
      resolve(
        new Promise((settle) => {
          response.on('error', (reason) => {
            error ??= reason;
          });
          response.once('close', () =>
            settle({
              status: response.statusCode ?? 0,
              headers: response.headers,
              rawHeaders: response.rawHeaders,
              body: Buffer.concat(chunks),
              ...(error !== undefined && { error }),
            }),
          );
        }),
      );
    });
    request.end();
  });
}

export function sha256(data: Uint8Array): string {
  return createHash('sha256').update(data).digest('hex');
}

export function md5(data: Uint8Array): string {
  return createHash('md5').update(data).digest('hex');
}

/** Bytes without a pattern of their own, the same ones each time. */
export function bytes(length: number): Buffer {
  const block = Buffer.alloc(length);
  for (let state = 1, i = 0; i < length; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    block[i] = state >>> 24;
  }
  return block;
}
