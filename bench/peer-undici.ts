// What a user of undici writes: request → createHash → createWriteStream. Runs in a process of its own.
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { Agent, request } from 'undici';
import { measure } from './measure';
import type { Download } from './work';
import { receiveWork, reply } from './work';

void receiveWork<Download>().then(async (work) => reply(await measure(() => download(work))));

async function download({ url, ca, method, digest, target }: Download): Promise<void> {
  const dispatcher = new Agent({ connect: { ca } });
  const { statusCode, body } = await request(url, { dispatcher });
  if (statusCode !== 200) throw new Error(`${url}: status ${statusCode}`);
  const hash = createHash(method);
  body.on('data', (chunk: Buffer) => hash.update(chunk));
  await pipeline(body, createWriteStream(target));
  if (hash.digest('hex') !== digest) throw new Error('the digest differs');
  await dispatcher.close();
}
