// What a user writes today: http(s).get → createHash → createWriteStream. Runs in a process of its
// own.
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { pipeline } from 'node:stream/promises';
import { measure } from './measure';
import type { Download } from './work';
import { receiveWork, reply } from './work';

void receiveWork<Download>().then(async (work) => reply(await measure(() => download(work))));

async function download({ url, ca, method, digest, target }: Download): Promise<void> {
  const response = await get(url, ca);
  if (response.statusCode !== 200) throw new Error(`${url}: status ${response.statusCode}`);
  const hash = createHash(method);
  response.on('data', (chunk: Buffer) => hash.update(chunk));
  await pipeline(response, createWriteStream(target));
  if (hash.digest('hex') !== digest) throw new Error('the digest differs');
}

function get(url: string, ca: string): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = url.startsWith('https:')
      ? https.get(url, { ca }, resolve)
      : http.get(url, resolve);
    request.on('error', reject);
  });
}
