import type { Ports } from './assembly/addresses';
import { type Assembly, assemble } from './assembly/assembly';
import type { Health } from './assembly/health';
import { type PlatformOptions, settingsOf } from './assembly/options';
import type { Configs } from './configs/configs';
import type { Devices } from './devices/devices';
import type { Products } from './devices/products';
import type { PlatformEvent, PlatformEventName, PlatformEvents } from './events/event-types';
import type { Faults } from './faults/faults';
import type { FirmwareStore } from './firmware/store';
import type { Gateways } from './gateways/gateways';
import type { Authorities } from './identities/authorities';
import type { Certificates } from './identities/certificates';
import type { Registrations } from './identities/registration';
import type { Logs } from './logs/logs';
import type { Messages } from './messages/messages';
import type { Upgrades } from './upgrades/upgrades';

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
  readonly products: Products;
  readonly devices: Devices;
  readonly registrations: Registrations;
  readonly authorities: Authorities;
  readonly certificates: Certificates;
  readonly gateways: Gateways;
  readonly firmware: FirmwareStore;
  readonly upgrades: Upgrades;
  readonly configs: Configs;
  readonly logs: Logs;
  readonly messages: Messages;
  readonly faults: Faults;
  /** The ports that listen. */
  readonly ports: Ports;
  /** PEM to trust for `mqttsUrl`, `firmwareUrl` and `apiUrl`. */
  readonly ca: string;
  /** Bearer token of the operator API. */
  readonly operatorToken: string;
  /** Where everything is kept. */
  readonly stateDir: string;

  readonly #assembly: Assembly;
  #closed: Promise<void> | undefined;

  private constructor(assembly: Assembly) {
    this.#assembly = assembly;
    this.products = assembly.products;
    this.devices = assembly.devices;
    this.registrations = assembly.registrations;
    this.authorities = assembly.authorities;
    this.certificates = assembly.certificates;
    this.gateways = assembly.gateways;
    this.firmware = assembly.firmware;
    this.upgrades = assembly.upgrades;
    this.configs = assembly.configs;
    this.logs = assembly.logs;
    this.messages = assembly.messages;
    this.faults = assembly.faults;
    this.ports = assembly.addresses.ports;
    this.ca = assembly.ca;
    this.operatorToken = assembly.operatorToken;
    this.stateDir = assembly.stateDir;
  }

  /**
   * Starts a platform; resolves when it listens. A state directory from before continues its jobs.
   * Rejects with a {@link PlatformError}; nothing is left open then.
   */
  static async start(options: PlatformOptions = {}): Promise<Platform> {
    return new Platform(await assemble(settingsOf(options)));
  }

  /** `mqtt://host:port` of the plain listener. */
  get mqttUrl(): string {
    return this.#assembly.addresses.of('mqtt');
  }

  /** `mqtts://host:port` of the TLS listener. */
  get mqttsUrl(): string {
    return this.#assembly.addresses.of('mqtts');
  }

  /** Front of the firmware URLs of notices: scheme, host and port, or `firmwareBaseUrl`. */
  get firmwareUrl(): string {
    return this.#assembly.addresses.firmware;
  }

  /** Front of the operator API, `/api` included; plain HTTP if there is a listener for it. */
  get apiUrl(): string {
    return this.#assembly.addresses.api;
  }

  /** Whether the state can be written, the broker be used, and what was found wrong in the state. */
  get health(): Health {
    return this.#assembly.health();
  }

  /** Calls `listener` at each event of a name. */
  on<Name extends PlatformEventName>(
    name: Name,
    listener: (event: PlatformEvents[Name]) => void,
  ): this {
    this.#assembly.events.on(name, listener);
    return this;
  }

  off<Name extends PlatformEventName>(
    name: Name,
    listener: (event: PlatformEvents[Name]) => void,
  ): this {
    this.#assembly.events.off(name, listener);
    return this;
  }

  /** The next event of a name that fits. Rejects with the signal's reason, or ERR_CLOSED. */
  waitFor<Name extends PlatformEventName>(
    name: Name,
    predicate?: (event: PlatformEvents[Name]) => boolean,
    options: { readonly signal?: AbortSignal } = {},
  ): Promise<PlatformEvents[Name]> {
    return this.#assembly.events.waitFor(name, predicate, options.signal);
  }

  /** All events but `message` from this call on, until the platform closes or the signal is aborted. */
  events(
    options: { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<PlatformEvent, void, undefined> {
    return this.#assembly.events.iterate(options.signal);
  }

  /**
   * Closes listeners, connections and state; a temporary state directory is removed. Idempotent.
   */
  close(): Promise<void> {
    this.#closed ??= this.#assembly.close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
