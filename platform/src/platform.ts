import { randomBytes } from 'node:crypto';
import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises';
import type { RequestListener } from 'node:http';
import { isIPv6 } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Api } from './api/api';
import type { Broker } from './broker/broker';
import { EmbeddedBroker } from './broker/embedded';
import { ExternalBroker } from './broker/external';
import { localIdentity } from './ca';
import { Configs } from './configs/configs';
import { ConfigStore } from './configs/store';
import { Devices } from './devices';
import { Engine } from './engine/engine';
import { Jobs } from './engine/jobs';
import { Upgrades } from './engine/upgrades';
import { PlatformError } from './errors';
import { Events } from './events';
import { Faults } from './faults';
import { FirmwareServer } from './firmware/server';
import { UrlSigner } from './firmware/signed-url';
import { FirmwareStore } from './firmware/store';
import { type Listener, listenHttp, listenHttps, listenTcp, listenTls } from './listeners';
import { type Settings, settingsOf } from './options';
import { keptSecret } from './private-files';
import { State } from './state';
import type {
  PlatformEvent,
  PlatformEventName,
  PlatformEvents,
  PlatformOptions,
  TlsIdentity,
} from './types';

/** The ports that listen; undefined where a listener was left out. */
export interface Ports {
  readonly mqtt?: number;
  readonly mqtts?: number;
  readonly http?: number;
  readonly https?: number;
}

/** What a start has opened, in the order of opening. */
type Cleanup = () => Promise<void> | void;

/**
 * The cloud side of firmware OTA: broker, firmware server and operator API in this process.
 *
 * @example
 * await using platform = await Platform.start();
 * const device = await platform.devices.add({ productKey: 'a1', deviceName: 'lamp' });
 * const firmware = await platform.firmware.add({ productKey: 'a1', version: '2.0.0', file });
 * const { id } = await platform.upgrades.start({ firmwareId: firmware.id, devices: ['lamp'] });
 * const upgrade = await platform.upgrades.settled(id);
 */
export class Platform {
  readonly devices!: Devices;
  readonly firmware!: FirmwareStore;
  readonly upgrades!: Upgrades;
  readonly configs!: Configs;
  readonly faults!: Faults;
  /** The ports that listen. */
  readonly ports: Ports = {};
  /** PEM to trust for `mqttsUrl`, `firmwareUrl` and `apiUrl`. */
  readonly ca: string = '';
  /** Bearer token of the operator API. */
  readonly operatorToken: string = '';
  /** Where everything is kept. */
  readonly stateDir: string = '';

  readonly #settings: Settings;
  readonly #events: Events;
  readonly #cleanups: Cleanup[] = [];
  readonly #closing = new AbortController();
  #closed: Promise<void> | undefined;

  private constructor(settings: Settings) {
    this.#settings = settings;
    this.#events = new Events(settings.clock);
  }

  /**
   * Starts a platform; resolves when it listens. A state directory from before continues its jobs.
   * Rejects with a {@link PlatformError}; nothing is left open then.
   */
  static async start(options: PlatformOptions = {}): Promise<Platform> {
    const platform = new Platform(settingsOf(options));
    try {
      await platform.#open(options);
      return platform;
    } catch (error) {
      await platform.close();
      throw error;
    }
  }

  /** `mqtt://host:port` of the plain listener. */
  get mqttUrl(): string {
    return this.#address('mqtt', this.ports.mqtt);
  }

  /** `mqtts://host:port` of the TLS listener. */
  get mqttsUrl(): string {
    return this.#address('mqtts', this.ports.mqtts);
  }

  /** Front of the firmware URLs of notices: scheme, host and port, or `firmwareBaseUrl`. */
  get firmwareUrl(): string {
    const { firmwareBaseUrl, firmwareScheme } = this.#settings;
    return firmwareBaseUrl ?? this.#address(firmwareScheme, this.ports[firmwareScheme]);
  }

  /** Front of the operator API, `/api` included; plain HTTP if there is a listener for it. */
  get apiUrl(): string {
    const scheme = this.ports.http === undefined ? 'https' : 'http';
    return `${this.#address(scheme, this.ports[scheme])}/api`;
  }

  /** Calls `listener` at each event of a name. */
  on<Name extends PlatformEventName>(
    name: Name,
    listener: (event: PlatformEvents[Name]) => void,
  ): this {
    this.#events.on(name, listener);
    return this;
  }

  off<Name extends PlatformEventName>(
    name: Name,
    listener: (event: PlatformEvents[Name]) => void,
  ): this {
    this.#events.off(name, listener);
    return this;
  }

  /** The next event of a name that fits. Rejects with the signal's reason, or ERR_CLOSED. */
  waitFor<Name extends PlatformEventName>(
    name: Name,
    predicate?: (event: PlatformEvents[Name]) => boolean,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<PlatformEvents[Name]> {
    return this.#events.waitFor(name, predicate, options.signal);
  }

  /** All events from this call on, until the platform closes or the signal is aborted. */
  events(
    options: { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<PlatformEvent, void, undefined> {
    return this.#events.iterate(options.signal);
  }

  /**
   * Closes listeners, connections and state; a temporary state directory is removed. Idempotent.
   */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #open(options: PlatformOptions): Promise<void> {
    const { clock } = this.#settings;
    const stateDir = await this.#openDirectory(options.stateDir);
    const database = join(stateDir, 'db');
    // It holds the devices' secrets.
    await mkdir(database, { recursive: true, mode: 0o700 });
    const state = await State.open(database);
    this.#cleanups.push(() => state.close());
    const identity = options.tls ?? (await localIdentity(stateDir, this.#names()));
    const urlKey = await keptSecret(join(stateDir, 'url-key'), () =>
      randomBytes(32).toString('hex'),
    );
    const token =
      options.operatorToken ??
      (await keptSecret(join(stateDir, 'operator-token'), () =>
        randomBytes(24).toString('base64url'),
      ));
    this.#set({ ca: identity.ca, operatorToken: token, stateDir });

    const signer = new UrlSigner(Buffer.from(urlKey, 'hex'), clock);
    const { engine, server } = await this.#build(state, signer, options);
    for (const fault of options.faults ?? []) this.faults.set(fault);
    await this.#listenHttp(server, identity);
    await this.#openBroker(options, engine, identity);
  }

  async #build(
    state: State,
    signer: UrlSigner,
    options: PlatformOptions,
  ): Promise<{ engine: Engine; server: FirmwareServer }> {
    const { clock, maxFirmwareBytes, signingKey } = this.#settings;
    const events = this.#events;
    const faults = new Faults((kind) => this.#unsupported(kind, options));
    let engine: Engine | undefined;
    const jobs = new Jobs(state, clock, events, (task) => engine?.deliver(task));
    const devices = new Devices(state, clock, {
      isOnline: (key) => engine?.broker?.isOnline(key) ?? false,
      disconnect: (key) => {
        const reason = this.#unsupported('mqtt-drop', options);
        if (reason !== undefined) throw new PlatformError('ERR_FAULT_UNSUPPORTED', reason);
        engine?.broker?.disconnect(key);
      },
      removing: (key) => {
        for (const task of jobs.activeOf(key)) jobs.move(task, 'cancelled', 'device-removed');
        engine?.broker?.disconnect(key);
      },
    });
    const firmware = new FirmwareStore({
      state,
      clock,
      directory: join(this.stateDir, 'firmware'),
      maxBytes: maxFirmwareBytes,
      isInUse: (id) => jobs.uses(id),
    });
    const configStore = new ConfigStore(state, clock, join(this.stateDir, 'config'));
    const server = new FirmwareServer({
      sources: [
        {
          folder: 'firmware',
          get: (id) => firmware.image(id),
          path: (id) => firmware.path(id),
          ended: ({ owner, name }, outcome) => {
            firmware.count(owner, outcome.bytes);
            const file = name === undefined ? {} : { file: name };
            events.emit('download', { firmwareId: owner, ...file, ...outcome });
          },
        },
        {
          folder: 'config',
          get: (id) => configStore.image(id),
          path: (id) => configStore.path(id),
          ended: ({ id }, outcome) => events.emit('config-download', { configId: id, ...outcome }),
        },
      ],
      signer,
      faults,
      lifetimeSeconds: this.#settings.urlLifetimeSeconds,
      urlMinLength: this.#settings.urlMinLength,
      origin: (scheme) => this.#address(scheme, this.ports[scheme]),
    });
    const firmwareUrl = (id: string): string => this.#firmwareUrl(server, id);
    const closing = this.#closing.signal;
    const configs = new Configs({
      store: configStore,
      clock,
      events,
      devices,
      broker: () => engine?.broker,
      url: (id) => server.url('config', id, this.#ownScheme()),
      closing,
    });
    engine = new Engine({
      configs,
      clock,
      events,
      devices,
      firmware,
      jobs,
      faults,
      firmwareUrl,
      signingKey,
    });
    this.#cleanups.push(() => jobs.close());
    await firmware.load();
    await devices.load();
    await configStore.load();
    const upgrades = new Upgrades({ state, events, devices, firmware, jobs, engine, closing });
    this.#set({ devices, firmware, upgrades, configs, faults });
    await jobs.load();
    return { engine, server };
  }

  async #openDirectory(stateDir: string | undefined): Promise<string> {
    if (stateDir !== undefined) {
      await mkdir(stateDir, { recursive: true, mode: 0o700 });
      return stateDir;
    }
    const directory = await mkdtemp(join(tmpdir(), 'iotkit-ota-platform-'));
    await chmod(directory, 0o700);
    this.#cleanups.push(() => rm(directory, { recursive: true, force: true }));
    return directory;
  }

  async #listenHttp(server: FirmwareServer, identity: TlsIdentity): Promise<void> {
    const { host, ports } = this.#settings;
    if (ports.http === undefined && ports.https === undefined) return;
    const api = await Api.open(this, this.#events);
    this.#cleanups.push(() => api.close());
    const handle: RequestListener = (request, response) => {
      if (server.owns(request.url ?? '')) server.handle(request, response);
      else api.handle(request, response);
    };
    if (ports.http !== undefined) {
      this.#keep('http', await listenHttp(host, ports.http, handle));
    }
    if (ports.https !== undefined) {
      this.#keep('https', await listenHttps(host, ports.https, identity, handle));
    }
  }

  async #openBroker(
    options: PlatformOptions,
    engine: Engine,
    identity: TlsIdentity,
  ): Promise<void> {
    const events = this.#events;
    const { host, ports, keepAliveSeconds } = this.#settings;
    if (options.broker !== undefined) {
      const broker = await ExternalBroker.open({
        options: options.broker,
        events,
        listener: engine,
        isRegistered: (key) => this.devices.get(key) !== undefined,
        wasHeard: (key) => this.devices.hasReported(key),
      });
      this.#attach(engine, broker);
      return;
    }
    const broker = await EmbeddedBroker.open({
      events,
      faults: this.faults,
      listener: engine,
      secretOf: (key) => this.devices.get(key)?.deviceSecret,
      keepAliveSeconds,
    });
    this.#attach(engine, broker);
    if (ports.mqtt !== undefined) {
      this.#keep(
        'mqtt',
        await listenTcp(host, ports.mqtt, (socket) => broker.accept(socket, false)),
      );
    }
    if (ports.mqtts !== undefined) {
      const accept = (socket: Parameters<EmbeddedBroker['accept']>[0]) =>
        broker.accept(socket, true);
      this.#keep('mqtts', await listenTls(host, ports.mqtts, identity, accept));
    }
  }

  #attach(engine: Engine, broker: Broker): void {
    engine.attach(broker);
    this.#cleanups.push(() => broker.close());
  }

  #keep(name: keyof Ports, listener: Listener): void {
    this.#set({ ports: { ...this.ports, [name]: listener.port } });
    this.#cleanups.push(() => listener.close());
  }

  /** The members are read-only to the outside and set once each, while it starts. */
  #set(members: Partial<Platform>): void {
    Object.assign(this, members);
  }

  #unsupported(kind: string, options: PlatformOptions): string | undefined {
    const isBrokers = kind.startsWith('mqtt-') && !kind.startsWith('mqtt-block-');
    if (isBrokers && options.broker !== undefined) {
      return 'an external broker cannot be made to misbehave';
    }
    if (kind.startsWith('http-') && options.firmwareBaseUrl !== undefined) {
      return 'firmware is served elsewhere, which cannot be made to misbehave';
    }
    return undefined;
  }

  #firmwareUrl(server: FirmwareServer, id: string): string {
    const { firmwareBaseUrl, firmwareScheme } = this.#settings;
    return firmwareBaseUrl === undefined
      ? server.url('firmware', id, firmwareScheme)
      : `${firmwareBaseUrl}/${id}.bin`;
  }

  /** Scheme of what this process always serves itself, wherever the firmware is. */
  #ownScheme(): 'http' | 'https' {
    const { firmwareScheme } = this.#settings;
    if (this.ports[firmwareScheme] !== undefined) return firmwareScheme;
    return firmwareScheme === 'https' ? 'http' : 'https';
  }

  #names(): string[] {
    const { host, publicHost } = this.#settings;
    return [
      'localhost',
      '127.0.0.1',
      '::1',
      publicHost,
      ...(/^(0\.0\.0\.0|::)$/.test(host) ? [] : [host]),
    ];
  }

  #address(scheme: string, port: number | undefined): string {
    if (port === undefined) {
      throw new PlatformError('ERR_NOT_FOUND', `this platform has no ${scheme} listener`);
    }
    const { publicHost } = this.#settings;
    return `${scheme}://${isIPv6(publicHost) ? `[${publicHost}]` : publicHost}:${port}`;
  }

  async #close(): Promise<void> {
    const reason = new PlatformError('ERR_CLOSED', 'the platform is closed');
    this.#closing.abort(reason);
    this.#events.end(reason);
    // Listeners first, the state last, as they were opened the other way round.
    const errors: unknown[] = [];
    for (const cleanup of this.#cleanups.reverse()) {
      try {
        await cleanup();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length > 0) throw errors[0];
  }
}
