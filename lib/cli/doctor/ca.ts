/** The check `ca`: which certificates are trusted, and whether the platform's root is one of them. */
import { X509Certificate } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { readDefaultCa } from '../../addon/ca-list';
import { PLATFORM_ROOT, type Root } from '../../options/platform-root';
import type { CaFile } from './arguments';
import { type Facts, type Finding, fail, messageOf, ok, warn } from './finding';

export const PLATFORM_ROOT_ADVICE =
  `The root of the platform's certificates, ${PLATFORM_ROOT.name}, ends ${PLATFORM_ROOT.ends}: ` +
  'devices that are in use longer need its successor in their list by then.';

export interface Trusted {
  /** Where the list comes from, for people. */
  readonly source: string;
  readonly pem: string;
  /** Why there is no list. */
  readonly error: string | undefined;
  /** What could not be read besides. */
  readonly unreadable: string | undefined;
}

/** What a program trusts for that host, or with `--ca` that file instead. */
export function trusted(ca: CaFile | undefined, isPlatform: boolean): Trusted {
  if (ca !== undefined) {
    return { source: ca.file, pem: ca.pem, error: ca.error, unreadable: undefined };
  }
  const extra = process.env.NODE_EXTRA_CA_CERTS;
  const named = extra === undefined || extra === '' ? undefined : extra;
  const source = [
    "the runtime's list",
    ...(named === undefined ? [] : ['NODE_EXTRA_CA_CERTS']),
    ...(isPlatform ? [PLATFORM_ROOT.name] : []),
  ].join(' and ');
  const unreadable = named !== undefined && !isReadable(named) ? named : undefined;
  try {
    const pem = isPlatform ? `${readDefaultCa()}\n${PLATFORM_ROOT.pem}` : readDefaultCa();
    return { source, pem, error: undefined, unreadable };
  } catch (error) {
    return { source, pem: '', error: messageOf(error), unreadable };
  }
}

function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}

/** @param wanted the root of the host that was asked for, where it is known */
export function checkCa(list: Trusted, now: Date, wanted: Root | undefined): Finding {
  const { source, error, unreadable } = list;
  const { certificates, damaged } = parse(list.pem);
  const ended = certificates.filter(({ validTo }) => new Date(validTo) < now).length;
  const has = ({ fingerprint256 }: Root): boolean =>
    certificates.some((it) => it.fingerprint256 === fingerprint256);
  const hasPlatformRoot = has(PLATFORM_ROOT);
  const facts: Facts = { source, count: certificates.length, ended, damaged, hasPlatformRoot };
  const summary = `${certificates.length} certificates: ${source}`;
  if (error !== undefined) {
    return fail(`${source}: ${error}`, 'Name a readable file of PEM certificates.', facts);
  }
  if (certificates.length === 0) {
    return fail(
      `${source} has no certificate that can be read`,
      'It must hold PEM text (-----BEGIN CERTIFICATE-----).',
      facts,
    );
  }
  if (unreadable !== undefined) {
    const remedy = 'Correct NODE_EXTRA_CA_CERTS, or let this user read the file.';
    return warn(`${summary}, but ${unreadable} cannot be read`, remedy, facts);
  }
  if (damaged > 0) {
    return warn(`${summary}, ${damaged} more are damaged`, 'Replace the damaged ones.', facts);
  }
  if (wanted !== undefined && !has(wanted)) return withoutRoot(summary, wanted, facts);
  return ok(summary, facts, wanted === undefined ? undefined : PLATFORM_ROOT_ADVICE);
}

function withoutRoot(summary: string, { name, ends }: Root, facts: Facts): Finding {
  return warn(
    `${summary}, ${name} is not among them`,
    `The platform's certificates end at that root (which ends ${ends}). If the ` +
      'connection is refused, add it to the file; Debian has it as ' +
      '/etc/ssl/certs/GlobalSign_Root_CA.pem. Without a file of your own it is trusted.',
    facts,
  );
}

interface Parsed {
  readonly certificates: readonly X509Certificate[];
  readonly damaged: number;
}

function parse(pem: string): Parsed {
  const pattern = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----[^-]*-----END [^-]*-----/g;
  const blocks = pem.match(pattern) ?? [];
  const certificates = blocks.flatMap((block) => {
    try {
      return [new X509Certificate(block)];
    } catch {
      return [];
    }
  });
  return { certificates, damaged: blocks.length - certificates.length };
}
