import { isIPv6 } from 'node:net';
import { PlatformError } from '../base/errors';
import type { Settings } from './options';

/** The ports that listen; undefined where a listener was left out. */
export interface Ports {
  readonly mqtt?: number;
  readonly mqtts?: number;
  readonly http?: number;
  readonly https?: number;
  /** The operator's API. */
  readonly api?: number;
  /** The operator's API over HTTPS. */
  readonly apiTls?: number;
}

type Choices = Pick<Settings, 'publicHost' | 'apiHost' | 'firmwareScheme' | 'firmwareBaseUrl'>;

/** What stands before the host, by listener. */
const SCHEMES: Readonly<Record<keyof Ports, string>> = {
  mqtt: 'mqtt',
  mqtts: 'mqtts',
  http: 'http',
  https: 'https',
  api: 'http',
  apiTls: 'https',
};

/** The addresses of this platform. It is made first; each listener adds its port when it opens. */
export class Addresses {
  readonly #choices: Choices;
  #ports: Ports = {};

  constructor(choices: Choices) {
    this.#choices = choices;
  }

  /** A snapshot. */
  get ports(): Ports {
    return this.#ports;
  }

  add(listener: keyof Ports, port: number): void {
    this.#ports = { ...this.#ports, [listener]: port };
  }

  /** `scheme://host:port`. Throws ERR_NOT_FOUND where there is no such listener. */
  of(listener: keyof Ports): string {
    const port = this.#ports[listener];
    if (port === undefined) {
      throw new PlatformError('ERR_NOT_FOUND', `this platform has no ${listener} listener`);
    }
    const { publicHost, apiHost } = this.#choices;
    const host = listener === 'api' || listener === 'apiTls' ? apiHost : publicHost;
    return `${SCHEMES[listener]}://${isIPv6(host) ? `[${host}]` : host}:${port}`;
  }

  /** Front of the firmware addresses in notices. */
  get firmware(): string {
    const { firmwareBaseUrl, firmwareScheme } = this.#choices;
    return firmwareBaseUrl ?? this.of(firmwareScheme);
  }

  /** Front of the operator API; plain HTTP if there is a listener for it. */
  get api(): string {
    return `${this.of(this.#ports.api === undefined ? 'apiTls' : 'api')}/api`;
  }

  /** Scheme of what this process always serves itself, wherever the firmware is. */
  get ownScheme(): 'http' | 'https' {
    const { firmwareScheme } = this.#choices;
    if (this.#ports[firmwareScheme] !== undefined) return firmwareScheme;
    return firmwareScheme === 'https' ? 'http' : 'https';
  }
}
