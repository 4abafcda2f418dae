/**
 * The check `dns`. The system's look-up cannot be cancelled, and the end of a process waits for it:
 * so it is made in a process of its own.
 */
import { execFile } from 'node:child_process';
import { isIP } from 'node:net';
import { type Finding, fail, ok, within } from './finding';

export type Addresses = readonly string[] | { readonly error: string };

/** The addresses of a host in the order in which they are tried; never rejects. */
export async function lookUp(host: string, limitMs: number): Promise<Addresses> {
  if (isIP(host) !== 0) return [host];
  const late = { error: `no answer within ${limitMs} ms` };
  const canSpawn =
    process.versions.deno === undefined && Reflect.get(process, 'permission') == null;
  return canSpawn ? inChild(host, limitMs, late) : within(limitMs, inProcess(host), () => late);
}

/** Prints {@link Addresses} of its last argument. */
const program = `
  require('node:dns').lookup(process.argv.at(-1), { all: true }, (error, found) => {
    const result = error ? { error: error.code } : found.map(({ address }) => address);
    process.stdout.write(JSON.stringify(result));
  });`;

function inChild(host: string, limitMs: number, late: Addresses): Promise<Addresses> {
  return new Promise((resolve) => {
    const limits = { timeout: limitMs, killSignal: 'SIGKILL' } as const;
    execFile(process.execPath, ['-e', program, host], limits, (error, output) => {
      if (error?.killed === true) return resolve(late);
      try {
        resolve(JSON.parse(output) as Addresses);
      } catch {
        resolve({ error: error?.message.split('\n')[0] ?? 'no result' });
      }
    });
  });
}

async function inProcess(host: string): Promise<Addresses> {
  const dns = await import('node:dns/promises');
  try {
    return (await dns.lookup(host, { all: true })).map(({ address }) => address);
  } catch (error) {
    return { error: (error as NodeJS.ErrnoException).code ?? String(error) };
  }
}

export function checkDns(host: string, addresses: Addresses): Finding {
  if ('error' in addresses) {
    return fail(
      `${host}: ${addresses.error}`,
      'See that the name is right, that /etc/resolv.conf names a server, and that it can be reached.',
      { host, addresses: [] },
    );
  }
  const facts = { host, addresses };
  if (isIP(host) !== 0) return ok(`${host} is an address`, facts);
  return ok(`${host}: ${addresses.join(', ')}`, facts);
}
