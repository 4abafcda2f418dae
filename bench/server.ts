import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import http from 'node:http';
import https from 'node:https';
import path from 'node:path';
import { nginxPath, startNginx } from '../test/support/nginx';
import { start } from '../test/support/process';
import { threadCpuSeconds } from './measure';
import { pin } from './placement';

/** Who serves the image, over both protocols. */
export interface ImageServer {
  readonly name: string;
  readonly httpUrl: string;
  readonly httpsUrl: string;
  /** CPU time so far. Undefined where the system does not tell. */
  readonly cpuSeconds: () => number | undefined;
  /** Binds it to cores, as `0` or `0-1`. */
  readonly pin: (cores: string) => Promise<void>;
  readonly stop: () => Promise<void>;
}

export interface Identity {
  readonly key: string;
  readonly cert: string;
}

/** nginx where it is installed; else a Node.js that sends from memory, in a process of its own. */
export async function startServer(
  folder: string,
  image: string,
  identity: Identity,
): Promise<ImageServer> {
  const file = path.basename(image);
  if (nginxPath === undefined) return startNode(image, identity);
  const nginx = await startNginx({
    directory: path.join(folder, 'nginx'),
    root: path.dirname(image),
    ...identity,
  });
  const [worker = nginx.pid] = childrenOf(nginx.pid);
  return {
    name: 'nginx',
    httpUrl: `${nginx.httpUrl}/${file}`,
    httpsUrl: `${nginx.httpsUrl}/${file}`,
    cpuSeconds: () => threadCpuSeconds(worker),
    pin: (cores) => pin(worker, cores),
    stop: nginx.stop,
  };
}

async function startNode(image: string, identity: Identity): Promise<ImageServer> {
  const env = { ...process.env, IMAGE: image, KEY: identity.key, CERT: identity.cert };
  const running = await start(process.execPath, [__filename], { ready: /listening .*\n/, env });
  const [httpPort, httpsPort] = /listening (\d+) (\d+)/.exec(running.output())?.slice(1) ?? [];
  return {
    name: 'Node.js from memory (nginx is not installed: a slower server makes the ratios smaller)',
    httpUrl: `http://127.0.0.1:${httpPort}/image.bin`,
    httpsUrl: `https://127.0.0.1:${httpsPort}/image.bin`,
    cpuSeconds: () => threadCpuSeconds(running.pid),
    pin: (cores) => pin(running.pid, cores),
    stop: running.stop,
  };
}

/** Linux: nginx has one thread in its only worker. */
function childrenOf(pid: number): number[] {
  try {
    const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return children === '' ? [] : children.split(' ').map(Number);
  } catch {
    return [];
  }
}

const SLICE = 1024 * 1024;

/** In the child. */
async function serve(): Promise<void> {
  const { IMAGE = '', KEY = '', CERT = '' } = process.env;
  const body = await readFile(IMAGE);
  const handle: http.RequestListener = (_request, response) => {
    response.writeHead(200, { 'content-length': body.length, etag: '"1"' });
    let at = 0;
    const send = (): void => {
      while (at < body.length) {
        const more = response.write(body.subarray(at, at + SLICE));
        at += SLICE;
        if (!more) return;
      }
      response.end();
    };
    response.on('drain', send);
    send();
  };
  const servers = [http.createServer(handle), https.createServer({ key: KEY, cert: CERT }, handle)];
  const ports = servers.map(
    (server) =>
      new Promise<number>((resolve) => {
        server.listen(0, '127.0.0.1', () => resolve((server.address() as { port: number }).port));
      }),
  );
  process.stdout.write(`listening ${(await Promise.all(ports)).join(' ')}\n`);
}

if (require.main === module) void serve();
