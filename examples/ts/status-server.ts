/**
 * A device with a page of its own: a browser sees live what the device does (server-sent events),
 * and a person decides when an upgrade is installed.
 *
 *   GET /         the status, JSON
 *   GET /events   the status at each change
 *   POST /install, POST /stop, POST /reject
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import http, { type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Device, IotkitError, type OpenOptions, open, type Upgrade } from 'iotkit-ota';

const USAGE = `usage: status-server DEVICE.json IMAGE PORT
  Shows at http://127.0.0.1:PORT what the device does, and installs into IMAGE what is asked for there.
  IMAGE.version says which version runs. PORT 0: any free one.
exit codes: 0 stopped by SIGTERM or SIGINT, 1 failed, 2 wrong usage
`;

/** What the page shows. */
interface Status {
  readonly version: string;
  readonly connection: Device['state'];
  readonly problem?: string | undefined;
  /** Announced, and neither installed nor rejected. */
  readonly upgrade?: Upgrade | undefined;
  readonly progress?: { readonly received: number; readonly size: number } | undefined;
}

/** The status, and the browsers that look at it. */
class Page {
  status: Status;
  readonly #browsers = new Set<ServerResponse>();

  constructor(status: Status) {
    this.status = status;
  }

  change(change: Partial<Status>): void {
    this.status = { ...this.status, ...change };
    // A browser that is slow gets the newest status when it has room for it again.
    for (const browser of this.#browsers) if (!browser.writableNeedDrain) this.#show(browser);
  }

  follow(browser: ServerResponse): void {
    browser.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    this.#browsers.add(browser);
    browser.on('drain', () => this.#show(browser));
    browser.on('close', () => this.#browsers.delete(browser));
    this.#show(browser);
  }

  #show(browser: ServerResponse): void {
    browser.write(`data: ${JSON.stringify(this.status)}\n\n`);
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : `${error}`);

async function download(upgrade: Upgrade, image: string, page: Page): Promise<boolean> {
  try {
    await upgrade.download(image, { onProgress: (progress) => page.change({ progress }) });
    page.change({ upgrade: undefined, problem: undefined });
    return true;
  } catch (error) {
    // Stopped: it stays on the page, its bytes on disk. Failed: the platform has been told, and may
    // announce it again.
    const isStopped = IotkitError.is(error) && error.code === 'ERR_ABORTED';
    page.change({ problem: messageOf(error), ...(isStopped ? {} : { upgrade: undefined }) });
    return false;
  } finally {
    page.change({ progress: undefined });
  }
}

async function install(upgrade: Upgrade, image: string, device: Device, page: Page): Promise<void> {
  if (!(await download(upgrade, image, page))) return;
  try {
    // Here a device would restart into the image.
    await writeFile(`${image}.version.new`, upgrade.version, { flush: true });
    await rename(`${image}.version.new`, `${image}.version`);
  } catch (error) {
    page.change({ problem: messageOf(error) });
    await upgrade.fail('the version could not be written');
    return;
  }
  page.change({ version: upgrade.version });
  await device.ota.reportVersion(upgrade.version);
}

async function run(options: OpenOptions, image: string, port: number): Promise<void> {
  const version = await readFile(`${image}.version`, 'utf8').catch(() => '1.0.0');
  const page = new Page({ version, connection: 'connecting' });
  await using device = open({ ...options, logger: console });
  device.on('upgrade', (upgrade) => page.change({ upgrade }));
  device.on('state', ({ state, error }) => {
    page.change({ connection: state, problem: error?.message });
  });
  const actions: Readonly<Record<string, (upgrade: Upgrade) => Promise<void> | undefined>> = {
    '/install': (upgrade) => install(upgrade, image, device, page),
    '/stop': (upgrade) => void upgrade.abort(),
    '/reject': async (upgrade) => {
      await upgrade.reject('rejected at the device');
      page.change({ upgrade: undefined });
    },
  };
  const server = http.createServer(async ({ method, url = '', headers }, response) => {
    const action = method === 'POST' ? actions[url] : undefined;
    const { upgrade } = page.status;
    // No other page in the same browser presses the buttons.
    const isForeign = headers.origin !== undefined && headers.origin !== `http://${headers.host}`;
    if (isForeign) response.writeHead(403).end();
    else if (method === 'GET' && url === '/') response.end(JSON.stringify(page.status));
    else if (method === 'GET' && url === '/events') page.follow(response);
    else if (action === undefined) response.writeHead(404).end();
    else if (upgrade === undefined) response.writeHead(409).end('there is no upgrade\n');
    else {
      response.writeHead(202).end(); // begun; the page shows what becomes of it
      await action(upgrade)?.catch((error) => page.change({ problem: messageOf(error) }));
    }
  });
  server.listen(port, '127.0.0.1', () => {
    console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  });
  for (const signal of ['SIGTERM', 'SIGINT']) process.once(signal, () => void device.close());
  // To the version the platform answers with the upgrade that is unfinished: a restart loses none.
  device.ota.reportVersion(version).catch((error) => page.change({ problem: messageOf(error) }));
  await device.closed;
  server.closeAllConnections();
  server.close();
}

async function main([file, image, port]: readonly string[]): Promise<number> {
  if (file === undefined || image === undefined || !/^\d{1,5}$/.test(port ?? '')) {
    process.stderr.write(USAGE);
    return 2;
  }
  try {
    await run(JSON.parse(await readFile(file, 'utf8')), image, Number(port));
    return 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n`);
    return 1;
  }
}

main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
