/**
 * The check `certificate`: what the server shows, and until when. Node's own TLS looks at it, since
 * it can show a certificate that is refused; the addon's verdict is the check `connection`.
 */
import { isIP } from 'node:net';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import { PLATFORM_ROOT } from '../../options/platform-root';
import { PLATFORM_ROOT_ADVICE } from './ca';
import { codeOf, dayOf, type Facts, type Finding, fail, messageOf, ok, warn } from './finding';

const DAY_MS = 24 * 3600 * 1000;
const SOON_DAYS = 14;
const ROOT_SOON_DAYS = 365;

export interface Shown {
  readonly subject: string;
  readonly issuer: string;
  readonly names: string;
  readonly fingerprint256: string;
  readonly from: Date;
  readonly to: Date;
  readonly protocol: string;
  /** The end of the chain where it is a root; undefined: the chain does not get there. */
  readonly root:
    | { readonly subject: string; readonly to: Date; readonly fingerprint256: string }
    | undefined;
  /** Why it is not trusted; undefined: it is. */
  readonly refused: string | undefined;
}

export type Look = Shown | { readonly error: string };

export interface Server {
  /** The name that the certificate must have. */
  readonly host: string;
  readonly address: string;
  readonly port: number;
  /** PEM. */
  readonly ca: string;
}

/** Makes a TLS connection, looks and closes it; never rejects. */
export function lookAt({ host, address, port, ca }: Server, limitMs: number): Promise<Look> {
  const tls: typeof import('node:tls') = require('node:tls');
  const servername = isIP(host) === 0 ? host.replace(/\.$/, '') : '';
  return new Promise((resolve) => {
    // Nothing is sent over it.
    const socket = tls.connect({ host: address, port, servername, ca, rejectUnauthorized: false });
    const end = (look: Look): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(look);
    };
    const timer = setTimeout(() => end({ error: `no answer within ${limitMs} ms` }), limitMs);
    socket.once('secureConnect', () => end(seen(socket)));
    socket.once('error', (error) => end({ error: codeOf(error) ?? messageOf(error) }));
    socket.once('close', () => end({ error: 'the server closed the connection' }));
  });
}

function seen(socket: TLSSocket): Look {
  const leaf = socket.getPeerCertificate(true);
  if (leaf.valid_to === undefined) return { error: 'this runtime does not show certificates' };
  const error: unknown = socket.authorizationError;
  const refused = error === undefined || error === null ? undefined : String(error);
  return {
    subject: nameOf(leaf.subject),
    issuer: nameOf(leaf.issuer),
    names: leaf.subjectaltname ?? '',
    fingerprint256: leaf.fingerprint256,
    from: new Date(leaf.valid_from),
    to: new Date(leaf.valid_to),
    protocol: socket.getProtocol() ?? 'TLS',
    root: rootOf(leaf),
    refused: socket.authorized ? undefined : (refused ?? 'not trusted'),
  };
}

function rootOf(leaf: DetailedPeerCertificate): Shown['root'] {
  let last = leaf;
  for (let depth = 0; depth < 16; depth += 1) {
    const next: DetailedPeerCertificate | undefined = last.issuerCertificate;
    if (next === undefined) return undefined;
    if (next === last || next.fingerprint256 === last.fingerprint256) break;
    last = next;
  }
  return {
    subject: nameOf(last.subject),
    to: new Date(last.valid_to),
    fingerprint256: last.fingerprint256,
  };
}

function nameOf(name: object): string {
  const { CN, OU, O } = name as { CN?: string; OU?: string; O?: string };
  return CN ?? OU ?? O ?? 'no name';
}

/** @param forPlatform whether the host is one of the platform itself */
export function checkCertificate(look: Look, now: Date, forPlatform: boolean): Finding {
  if ('error' in look) {
    return fail(
      `none was shown: ${look.error}`,
      'The port must speak TLS (1.2 or newer): 443 on hosts of the platform. See the check connection.',
    );
  }
  const { subject, to, root, refused } = look;
  const facts = factsOf(look);
  const upTo = root === undefined ? 'no root' : `root ${root.subject} until ${dayOf(root.to)}`;
  const summary = `${subject} until ${dayOf(to)}, ${upTo}`;
  if (refused !== undefined) return fail(`${summary}: ${refused}`, remedyOf(look, now), facts);
  const advice =
    forPlatform || root?.fingerprint256 === PLATFORM_ROOT.fingerprint256
      ? PLATFORM_ROOT_ADVICE
      : undefined;
  if (to.getTime() - now.getTime() < SOON_DAYS * DAY_MS) {
    return warn(summary, 'The server needs a new certificate within days.', facts);
  }
  if (root !== undefined && root.to.getTime() - now.getTime() < ROOT_SOON_DAYS * DAY_MS) {
    const remedy = advice ?? 'Bring the successor of that root to the devices before it ends.';
    return warn(summary, remedy, facts);
  }
  return ok(summary, facts, advice);
}

function factsOf({ from, to, root, refused, ...rest }: Shown): Facts {
  return {
    ...rest,
    from: from.toISOString(),
    to: to.toISOString(),
    root: root === undefined ? null : { ...root, to: root.to.toISOString() },
    refused: refused ?? null,
  };
}

function remedyOf({ refused = '', names, from, to }: Shown, now: Date): string {
  if (now < from) return "This device's clock is behind: set it. See the check clock.";
  if (now > to) return 'The server needs a new certificate, unless the clock here is ahead.';
  if (/ALTNAME|Hostname\/IP/i.test(refused)) {
    return `The certificate is for ${names === '' ? 'no name' : names}: connect to such a name.`;
  }
  return (
    'Trust the root of this server, by --ca here and by the option tls.ca in a program; if the chain ' +
    'has a gap, the server must send its intermediate certificates.'
  );
}
