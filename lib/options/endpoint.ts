/** Where a device's platform is: a region, an instance, a URL or a host. */
import { conflict, integer, optional, text } from '../base/arguments';
import { isPlatformHost, PLATFORM_ROOT } from './platform-root';
import type { CheckedTls, TlsOptions } from './tls';
import { hostRule } from './values';

/** A public instance of the platform. */
export interface RegionEndpoint {
  /** Its region, such as `cn-shanghai`. */
  readonly region: string;
  /** @hidden */
  readonly instanceId?: undefined;
  /** @hidden */
  readonly url?: undefined;
  /** @hidden */
  readonly host?: undefined;
  /** 1-65535. Default 443. */
  readonly port?: number | undefined;
  /** Default: TLS with the runtime's CA list. */
  readonly tls?: true | TlsOptions | undefined;
}

/** An enterprise instance of the platform. */
export interface InstanceEndpoint {
  /** @hidden */
  readonly region?: undefined;
  /** Its id, such as `iot-060a0bgd`. */
  readonly instanceId: string;
  /** @hidden */
  readonly url?: undefined;
  /** @hidden */
  readonly host?: undefined;
  /** 1-65535. Default 443. */
  readonly port?: number | undefined;
  /** Default: TLS with the runtime's CA list. */
  readonly tls?: true | TlsOptions | undefined;
}

/** A broker by its URL. */
export interface UrlEndpoint {
  /** @hidden */
  readonly region?: undefined;
  /** @hidden */
  readonly instanceId?: undefined;
  /** `mqtts://host[:8883]` or `mqtt://host[:1883]` (plain TCP). */
  readonly url: string;
  /** @hidden */
  readonly host?: undefined;
  /** @hidden */
  readonly port?: undefined;
  /** Only with `mqtts:`. Default: TLS with the runtime's CA list. */
  readonly tls?: boolean | TlsOptions | undefined;
}

/** A broker by its name or address. */
export interface HostEndpoint {
  /** @hidden */
  readonly region?: undefined;
  /** @hidden */
  readonly instanceId?: undefined;
  /** @hidden */
  readonly url?: undefined;
  /** Its name or address. */
  readonly host: string;
  /** 1-65535. Default 8883, without TLS 1883. */
  readonly port?: number | undefined;
  /** `false`: plain TCP. Default: TLS with the runtime's CA list. */
  readonly tls?: boolean | TlsOptions | undefined;
}

/** Where the device's platform is: one of `region`, `instanceId`, `url` and `host`. */
export type Endpoint = RegionEndpoint | InstanceEndpoint | UrlEndpoint | HostEndpoint;

/** @internal Where to connect to; without `tls` over plain TCP. */
export interface Place {
  readonly host: string;
  readonly port: number;
  readonly tls: CheckedTls | undefined;
}

/** @internal The options that say where the platform is. */
export const endpointKeys = ['region', 'instanceId', 'url', 'host', 'port', 'tls'] as const;

/** @internal Any of them; which go together is checked. */
export interface EndpointOptions {
  readonly region?: string | undefined;
  readonly instanceId?: string | undefined;
  readonly url?: string | undefined;
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly tls?: boolean | TlsOptions | undefined;
}

/** @internal The hosts of a region or an instance. */
export interface Hosts {
  readonly region: (region: string) => string;
  /** Undefined: instances have none for such devices. */
  readonly instance: ((instanceId: string) => string) | undefined;
  /** Where no port is given. */
  readonly port: number;
}

/** @internal Those of devices that sign in with a secret or a token. */
export const hostsOfProduct = (productKey: string): Hosts => ({
  region: (region) => `${productKey}.iot-as-mqtt.${region}.aliyuncs.com`,
  instance: (instanceId) => `${instanceId}.mqtt.iothub.aliyuncs.com`,
  port: 443,
});

/** @internal Those of devices that sign in with a certificate. */
export const hostsOfCertificates: Hosts = {
  region: (region) => `x509.itls.${region}.aliyuncs.com`,
  instance: undefined,
  port: 1883,
};

/** @internal */
export function checkPlace(
  options: EndpointOptions,
  hosts: Hosts,
  tls: CheckedTls | undefined,
): Place {
  const place = choosePlace(options, hosts, tls);
  const isDefault = place.tls?.ca === '' && isPlatformHost(place.host);
  return isDefault ? { ...place, tls: { ...place.tls, also: PLATFORM_ROOT.pem } } : place;
}

function choosePlace(options: EndpointOptions, hosts: Hosts, tls: CheckedTls | undefined): Place {
  const places = (['region', 'instanceId', 'url', 'host'] as const).filter(
    (key) => options[key] !== undefined,
  );
  const [place] = places;
  if (place === undefined || places.length > 1) {
    const got = places.length === 0 ? 'none' : places.join(' and ');
    throw conflict(`exactly one of region, instanceId, url and host must be given, got ${got}`);
  }
  if (place === 'url') return checkUrl(options, tls);
  const port = optional(options.port, checkPort);
  if (place === 'host') {
    const host = text('host', options.host, hostRule);
    return { host, port: port ?? (tls === undefined ? 1883 : 8883), tls };
  }
  if (tls === undefined) throw conflict(`tls: false is not possible with ${place}`);
  const label = text(place, options[place], {
    max: 63,
    pattern: /^[A-Za-z0-9-]+$/,
    expected: '1-63 letters, digits and -',
  });
  const hostOf = place === 'region' ? hosts.region : hosts.instance;
  if (hostOf === undefined) throw conflict(`${place} is not possible with x509; region is`);
  return { host: hostOf(label), port: port ?? hosts.port, tls };
}

function checkPort(value: number): number {
  return integer('port', value, { min: 1, max: 65_535 });
}

function checkUrl(options: EndpointOptions, tls: CheckedTls | undefined): Place {
  const expected = 'mqtts://host[:port] or mqtt://host[:port]';
  const given = text('url', options.url, { max: 512, expected, secret: true });
  const url = URL.canParse(given) ? new URL(given) : undefined;
  const plain = url?.protocol === 'mqtt:';
  const bare =
    url !== undefined &&
    (plain || url.protocol === 'mqtts:') &&
    url.hostname !== '' &&
    url.username === '' &&
    url.password === '' &&
    (url.pathname === '' || url.pathname === '/') &&
    url.search === '' &&
    url.hash === '';
  // The URL is not shown: it may hold a password.
  if (!bare) throw conflict(`url must be ${expected}, without credentials, path and query`);
  if (options.port !== undefined) throw conflict('port belongs to host; with url it is part of it');
  if (plain && typeof options.tls === 'object') throw conflict('tls options need an mqtts: url');
  if (plain && options.tls === true) throw conflict('tls: true needs an mqtts: url');
  if (!plain && tls === undefined) throw conflict('tls: false needs an mqtt: url');
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const port = url.port === '' ? (plain ? 1883 : 8883) : checkPort(Number(url.port));
  return { host, port, tls: plain ? undefined : tls };
}
