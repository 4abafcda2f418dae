/**
 * The check `connection`: the addon itself connects, as a device would, with its own TLS. It signs
 * in as a device that is registered nowhere; that the broker refuses it is the proof that all below
 * works.
 */
import { randomBytes } from 'node:crypto';
import { IotkitError } from '../../base/errors';
import type { Device } from '../../device/device';
import type { Place } from './arguments';
import { codeOf, type Finding, fail, messageOf, ok, warn, within } from './finding';

export interface Attempt {
  /** Why it has ended; undefined: it was accepted. */
  readonly error: unknown;
  readonly milliseconds: number;
}

/** Never rejects. The addon must load. */
export async function attempt(place: Place, limitMs: number): Promise<Attempt> {
  const begun = performance.now();
  // More than the limit of the try itself, whose error says where it has stopped.
  const late = (): unknown => new IotkitError('ERR_CONNECT_TIMEOUT', `nothing in ${limitMs} ms`);
  const error = await within(limitMs + 1000, tryOnce(place, limitMs), late);
  return { error, milliseconds: Math.round(performance.now() - begun) };
}

const NOT_AGAIN_MS = 3_600_000;

async function tryOnce(place: Place, limitMs: number): Promise<unknown> {
  const { open } = require('../../device/connect') as typeof import('../../device/connect');
  let device: Device | undefined;
  try {
    device = open({
      ...place.options,
      deviceSecret: randomBytes(16).toString('hex'),
      attemptTimeout: Math.ceil(limitMs),
      reconnect: { min: NOT_AGAIN_MS, max: NOT_AGAIN_MS },
    });
    return await firstNews(device);
  } catch (error) {
    return error;
  } finally {
    await device?.close();
  }
}

async function firstNews(device: Device): Promise<unknown> {
  for await (const { state, error } of device.states()) {
    if (state === 'connected' || error !== undefined) return error;
  }
  return new IotkitError('ERR_CLOSED');
}

/** What brokers answer to a stranger. */
const refusals = new Set([
  'ERR_MQTT_CREDENTIALS',
  'ERR_MQTT_NOT_AUTHORIZED',
  'ERR_MQTT_CLIENT_ID',
  'ERR_MQTT_REFUSED',
]);

const notBroker =
  'See that host and port are those of an MQTT broker; hosts of the platform take MQTT on port 443.';
const remedies: Readonly<Record<string, string>> = {
  ERR_RESOLVE: 'See the check dns.',
  ERR_CONNECT: 'See that host and port are right and that no firewall is between.',
  ERR_CONNECT_TIMEOUT:
    'Something on the way drops packets, such as a firewall, or the host is silent.',
  ERR_TLS_CERTIFICATE:
    'Trust the root of this server by the option tls.ca. See the check certificate.',
  ERR_TLS_HOSTNAME: 'Connect to a name that the certificate is for. See the check certificate.',
  ERR_TLS_EXPIRED: 'The server needs a new certificate, unless the clock here is ahead.',
  ERR_TLS_NOT_YET_VALID: "This device's clock is behind: set it. See the check clock.",
  ERR_TLS_UNAVAILABLE: 'See the check tls.',
  ERR_TLS: 'See that the port speaks TLS 1.2 or newer.',
  ERR_MQTT_PROTOCOL: notBroker,
  ERR_CONNECTION_CLOSED: notBroker,
  ERR_CONNECTION_RESET: notBroker,
};

export function checkConnection({ error, milliseconds }: Attempt, place: Place): Finding {
  const { host, port, hasTls } = place;
  const code = codeOf(error) ?? null;
  const facts = { host, port, tls: hasTls, code, milliseconds };
  const where = `${host.includes(':') ? `[${host}]` : host}:${port}`;
  const answered = error === undefined || refusals.has(code ?? '');
  if (!answered && code === 'ERR_MQTT_UNAVAILABLE') {
    return warn(`${where}: ${messageOf(error)}`, 'TLS works; the broker says: later.', facts);
  }
  if (!answered) {
    const remedy = remedies[code ?? ''] ?? 'See the details, and the error table in the docs.';
    return fail(`${where}: ${messageOf(error)}`, remedy, facts);
  }
  const how = error === undefined ? 'accepts' : 'refuses, as it should,';
  const summary = `${where} answers in ${milliseconds} ms and ${how} a made-up device`;
  if (hasTls) return ok(`TLS by the addon: ${summary}`, facts);
  return warn(`without TLS: ${summary}`, 'Use TLS: mqtts:, not mqtt:.', facts);
}
