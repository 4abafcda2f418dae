// Tested by platform/test/platform.test.ts

import type { RequestListener } from 'node:http';
import { Api } from '../api/api';
import type { Served } from '../api/served';
import type { Log } from '../base/log';
import { EmbeddedBroker } from '../broker/embedded';
import { ExternalBrokerClient } from '../broker/external-client';
import type { Events } from '../events/events';
import { RegistrationEndpoint } from '../identities/endpoint';
import type { TlsIdentity } from '../listen/ca';
import type { DeviceCa } from '../listen/device-ca';
import {
  type Accept,
  type Listener,
  listenHttp,
  listenHttps,
  listenTcp,
  listenTls,
  type Place,
} from '../listen/listeners';
import type { Ports } from './addresses';
import type { Health } from './health';
import type { Settings } from './options';
import type { Rooms } from './rooms';
import type { Shutdown } from './shutdown';
import type { StateDirectory } from './state-directory';

/** Opens what devices and operators connect to, and closes it again. */
export class Entrances {
  readonly #settings: Settings;
  readonly #events: Events;
  readonly #rooms: Rooms;
  readonly #shutdown: Shutdown;
  readonly #health: () => Health;

  constructor(
    settings: Settings,
    events: Events,
    rooms: Rooms,
    shutdown: Shutdown,
    health: () => Health,
  ) {
    this.#settings = settings;
    this.#events = events;
    this.#rooms = rooms;
    this.#shutdown = shutdown;
    this.#health = health;
  }

  async open({ identity, deviceCa, operatorToken }: StateDirectory): Promise<void> {
    await this.#openApi(identity, operatorToken);
    await this.#openHttp(identity);
    if (this.#settings.broker === undefined) await this.#openBroker(identity, deviceCa);
    else await this.#joinBroker(this.#settings.broker);
  }

  async #openApi(identity: TlsIdentity, operatorToken: string): Promise<void> {
    const { ports } = this.#settings;
    if (ports.api === undefined && ports.apiTls === undefined) return;
    const { log } = this.#settings;
    const platform = served(this.#rooms, operatorToken, this.#health, log);
    const api = await Api.open(platform, this.#events);
    this.#shutdown.add(() => api.close());
    const handle: RequestListener = (request, response) => api.handle(request, response);
    if (ports.api !== undefined) {
      this.#add('api', await listenHttp(this.#apiPlace(ports.api), handle));
    }
    if (ports.apiTls !== undefined) {
      this.#add('apiTls', await listenHttps(this.#apiPlace(ports.apiTls), identity, handle));
    }
  }

  async #openHttp(identity: TlsIdentity): Promise<void> {
    const { ports } = this.#settings;
    const { server, registrations } = this.#rooms;
    const handle: RequestListener = (request, response) => server.handle(request, response);
    const endpoint = new RegistrationEndpoint(registrations, this.#events);
    // Secrets go over TLS alone.
    const handleSecure: RequestListener = (request, response) => {
      if (RegistrationEndpoint.isFor(request)) endpoint.handle(request, response);
      else handle(request, response);
    };
    if (ports.http !== undefined) {
      this.#add('http', await listenHttp(this.#place(ports.http), handle));
    }
    if (ports.https !== undefined) {
      this.#add('https', await listenHttps(this.#place(ports.https), identity, handleSecure));
    }
  }

  async #openBroker(identity: TlsIdentity, deviceCa: DeviceCa): Promise<void> {
    const { ports, keepAliveSeconds, times, clock, mqttRules } = this.#settings;
    const { faults, engine, devices, products, connections } = this.#rooms;
    const { registrations, certificates, gateways } = this.#rooms;
    const broker = await EmbeddedBroker.open({
      clock,
      events: this.#events,
      faults,
      listener: engine,
      carriage: gateways,
      deviceOf: (key) => devices.get(key),
      productOf: (productKey) => products.get(productKey),
      registrations,
      certificates,
      keepAliveSeconds,
      signInMs: times.headMs,
      isStrict: mqttRules === 'strict',
    });
    this.#shutdown.add(() => broker.close());
    connections.attach(broker);
    const accept = (isTls: boolean): Accept => {
      return (socket, signedIn) => broker.accept(socket, isTls, signedIn);
    };
    if (ports.mqtt !== undefined) {
      this.#add('mqtt', await listenTcp(this.#place(ports.mqtt), accept(false)));
    }
    if (ports.mqtts !== undefined) {
      this.#add(
        'mqtts',
        await listenTls(this.#place(ports.mqtts), identity, deviceCa.certificate, accept(true)),
      );
    }
  }

  async #joinBroker(options: NonNullable<Settings['broker']>): Promise<void> {
    const { engine, connections, notices } = this.#rooms;
    const broker = await ExternalBrokerClient.open({
      options,
      events: this.#events,
      listener: engine,
      joined: () => notices.start(),
    });
    this.#shutdown.add(() => broker.close());
    connections.attach(broker);
    notices.start();
  }

  /** Of a listener of devices. */
  #place(port: number): Place {
    const { host, connections, times, clock } = this.#settings;
    return { host, port, connections: connections.devices, times, clock };
  }

  #apiPlace(port: number): Place {
    const { apiListenHost: host, connections, times, clock } = this.#settings;
    return { host, port, connections: connections.operators, times, clock };
  }

  #add(scheme: keyof Ports, listener: Listener): void {
    this.#shutdown.add(() => listener.close());
    this.#rooms.addresses.add(scheme, listener.port);
  }
}

function served(
  rooms: Rooms,
  operatorToken: string,
  health: () => Health,
  log: Log | undefined,
): Served {
  const { devices, products, registrations, authorities, certificates, gateways } = rooms;
  const { firmware, upgrades, configs, logs, messages, faults, addresses } = rooms;
  return {
    devices,
    products,
    registrations,
    authorities,
    certificates,
    gateways,
    firmware,
    upgrades,
    configs,
    logs,
    messages,
    faults,
    operatorToken,
    health,
    log,
    get ports() {
      return addresses.ports;
    },
    get firmwareUrl() {
      return addresses.firmware;
    },
  };
}
