// Tested by test/integration/doctor.test.ts
/** All checks of a run, in the order in which they are printed. */
import { PLATFORM_ROOT } from '../../options/platform-root';
import { checkAddon, checkTls, type LoadedAddon, loadAddon, packageVersion } from './addon';
import type { Arguments, Place } from './arguments';
import { checkBoot } from './boot';
import { checkCa, type Trusted, trusted } from './ca';
import { checkCertificate, type Look, lookAt } from './certificate';
import { checkClock, installedAt } from './clock';
import { attempt, checkConnection } from './connection';
import { type Finding, fail, messageOf, skip, within } from './finding';
import { checkDns, lookUp } from './lookup';
import { checkLibc, checkNode, checkSystem, thisLibc, thisRuntime, thisSystem } from './machine';
import { checkProxies } from './proxies';
import { checkTarget } from './target';

export interface Check extends Finding {
  /** Stable. */
  readonly id: string;
}

interface Network {
  readonly look: Look | undefined;
  readonly findings: Readonly<Record<'dns' | 'certificate' | 'connection', Finding>>;
}

/** Never rejects: a check that breaks has failed. */
export async function runChecks(given: Arguments): Promise<Check[]> {
  const { place, timeoutMs } = given;
  const loaded = loadAddon();
  const list = trusted(given.ca, place?.isPlatform ?? false);
  const [network, target] = await Promise.all([
    askNetwork(place, list, loaded, timeoutMs),
    askTarget(given),
  ]);
  const { dns, connection, certificate } = network.findings;
  return [
    named('system', () => checkSystem(thisSystem())),
    named('libc', () => checkLibc(thisLibc())),
    named('node', () => checkNode(thisRuntime())),
    named('addon', () => checkAddon(loaded, packageVersion())),
    named('tls', () => checkTls(loaded, process.versions.openssl)),
    named('ca', () => checkCa(list, new Date(), place?.isPlatform ? PLATFORM_ROOT : undefined)),
    named('clock', () =>
      checkClock({ now: new Date(), installed: installedAt(), look: network.look }),
    ),
    { id: 'dns', ...dns },
    { id: 'connection', ...connection },
    { id: 'certificate', ...certificate },
    named('proxy', () => checkProxies(process.env)),
    { id: 'target', ...target },
    named('boot', () => checkBoot(process.env.PATH ?? '')),
  ];
}

function named(id: string, check: () => Finding): Check {
  try {
    return { id, ...check() };
  } catch (error) {
    return { id, ...broken(error) };
  }
}

const broken = (error: unknown): Finding =>
  fail(`the check itself has failed: ${messageOf(error)}`, 'Please report this.');

async function askTarget({ target, size, timeoutMs }: Arguments): Promise<Finding> {
  if (target === undefined) return skip('no --target was given');
  const late = (): Finding =>
    fail(`${target}: no answer within ${timeoutMs} ms`, 'See that its disk or server is there.');
  return within(timeoutMs, checkTarget(target, size).catch(broken), late);
}

async function askNetwork(
  place: Place | undefined,
  list: Trusted,
  loaded: LoadedAddon,
  limitMs: number,
): Promise<Network> {
  if (place === undefined) return unasked('no host was named');
  if (list.error !== undefined) return unasked('the CA certificates cannot be read');
  const { host, port, isPlatform, hasTls } = place;
  const addresses = await lookUp(host, limitMs);
  const dns = checkDns(host, addresses);
  const [address] = 'error' in addresses ? [] : addresses;
  if (address === undefined) return unasked('the host has no address', dns);
  const [look, connection] = await Promise.all([
    hasTls ? lookAt({ host, address, port, ca: list.pem }, limitMs) : undefined,
    connect(place, loaded, limitMs),
  ]);
  const certificate =
    look === undefined
      ? skip('the connection is without TLS')
      : checkCertificate(look, new Date(), isPlatform);
  return { look, findings: { dns, certificate, connection } };
}

function unasked(reason: string, dns = skip(reason)): Network {
  return {
    look: undefined,
    findings: { dns, certificate: skip(reason), connection: skip(reason) },
  };
}

async function connect(place: Place, loaded: LoadedAddon, limitMs: number): Promise<Finding> {
  if ('error' in loaded) return skip('the addon connects, and does not load');
  return checkConnection(await attempt(place, limitMs), place);
}
