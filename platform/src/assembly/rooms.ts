// Tested by platform/test/upgrade.test.ts

import { PlatformError } from '../base/errors';
import { Configs } from '../configs/configs';
import { ConfigStore } from '../configs/store';
import { type DeviceHooks, Devices } from '../devices/devices';
import { Products } from '../devices/products';
import { Blocks } from '../engine/blocks';
import { Engine } from '../engine/engine';
import { Jobs } from '../engine/jobs';
import { Notices } from '../engine/notices';
import { Visits } from '../engine/visits';
import type { Events } from '../events/events';
import { Faults } from '../faults/faults';
import { type FileSource, FirmwareServer } from '../firmware/server';
import { UrlSigner } from '../firmware/signed-url';
import { FirmwareStore } from '../firmware/store';
import { Gateways } from '../gateways/gateways';
import { Authorities } from '../identities/authorities';
import { Certificates } from '../identities/certificates';
import { Registrations } from '../identities/registration';
import { Logs } from '../logs/logs';
import { Messages } from '../messages/messages';
import { Connections } from '../protocol/connections';
import type { DeviceKey } from '../types/device';
import { Upgrades } from '../upgrades/upgrades';
import { Addresses } from './addresses';
import { type Settings, unsupportedFault } from './options';
import type { Shutdown } from './shutdown';
import type { StateDirectory } from './state-directory';

/** The platform's own lifetime of a configuration's address. */
const CONFIG_URL_SECONDS = 30 * 60;

/** One object of each room, connected with those of the rooms below it. */
export interface Rooms {
  readonly addresses: Addresses;
  readonly faults: Faults;
  readonly connections: Connections;
  readonly products: Products;
  readonly devices: Devices;
  readonly registrations: Registrations;
  readonly authorities: Authorities;
  readonly certificates: Certificates;
  readonly gateways: Gateways;
  readonly firmware: FirmwareStore;
  readonly server: FirmwareServer;
  readonly configs: Configs;
  readonly logs: Logs;
  readonly messages: Messages;
  readonly notices: Notices;
  readonly engine: Engine;
  readonly upgrades: Upgrades;
}

/**
 * Makes the rooms from the lowest floor up, so that each constructor is given what exists already.
 * What opens later has its place from the start: a broker in `connections`, ports in `addresses`.
 */
export async function makeRooms(
  settings: Settings,
  events: Events,
  state: StateDirectory,
  shutdown: Shutdown,
): Promise<Rooms> {
  const { clock, signingKey } = settings;
  const { store } = state;
  const closing = shutdown.signal;
  const addresses = new Addresses(settings);
  const faults = new Faults((kind) => unsupportedFault(settings, kind));
  const connections = new Connections(events);
  const jobs = new Jobs(store, clock, events);
  shutdown.add(() => jobs.close());
  const products = new Products(store, clock);
  const hooks = deviceHooks(settings, connections, jobs, () => ({
    registrations,
    certificates,
    gateways,
    logs,
    messages,
  }));
  const devices = new Devices(store, clock, hooks);
  const registrations = new Registrations({ store, clock, products, devices });
  const authorities = new Authorities({
    store,
    clock,
    ownCa: state.deviceCa.certificate,
    removed: (id) => certificates.authorityRemoved(id),
  });
  const certificates = new Certificates({
    store,
    clock,
    ca: state.deviceCa,
    authorities,
    products,
    devices,
    disconnect: (key) => connections.disconnect(key),
  });
  const gateways = new Gateways({
    store,
    clock,
    events,
    faults,
    devices,
    products,
    registrations,
    connections,
    maxSubDevices: settings.maxSubDevices,
    closing,
  });
  const { firmware, configStore, server } = makeFiles(settings, events, state, {
    faults,
    jobs,
    addresses,
  });
  const url = (id: string): string => server.url('config', id, addresses.ownScheme);
  const configs = new Configs({
    store: configStore,
    clock,
    events,
    devices,
    connections,
    url,
    closing,
  });
  const logs = new Logs({ store, clock, events, devices, connections });
  const messages = new Messages({
    clock,
    events,
    devices,
    connections,
    carrierOf: (key) => gateways.carrierOf(key),
    closing,
  });
  const firmwareUrl = firmwareUrls(settings, server);
  const common = { clock, events, connections, devices, firmware, jobs, faults };
  const visits = new Visits(clock, settings.versionGraceMs);
  shutdown.add(() => visits.close());
  const notices = new Notices({ ...common, visits, firmwareUrl, signingKey });
  const carriedBy = (gateway: DeviceKey): DeviceKey[] => gateways.carriedBy(gateway);
  const blocks = new Blocks({ ...common, carriedBy });
  const engine = new Engine({ ...common, notices, blocks, configs, logs, messages, gateways });
  const upgrades = new Upgrades({ events, devices, firmware, jobs, notices, logs, closing });
  const loaded = [
    firmware,
    products,
    devices,
    registrations,
    authorities,
    certificates,
    gateways,
    configStore,
    logs,
    jobs,
  ];
  for (const each of loaded) await each.load();
  return {
    addresses,
    faults,
    connections,
    products,
    devices,
    registrations,
    authorities,
    certificates,
    gateways,
    firmware,
    server,
    configs,
    logs,
    messages,
    notices,
    engine,
    upgrades,
  };
}

/** What is kept in files, and the server that sends them. */
function makeFiles(
  settings: Settings,
  events: Events,
  { store, path, urlKey, problems }: StateDirectory,
  { faults, jobs, addresses }: { faults: Faults; jobs: Jobs; addresses: Addresses },
): { firmware: FirmwareStore; configStore: ConfigStore; server: FirmwareServer } {
  const { clock } = settings;
  const firmware = new FirmwareStore({
    store,
    clock,
    problems,
    stateDir: path,
    maxBytes: settings.maxFirmwareBytes,
    isInUse: (id) => jobs.uses(id),
  });
  const configStore = new ConfigStore(store, clock, path, problems);
  const server = new FirmwareServer({
    sources: [
      firmwareSource(firmware, events, settings.urlLifetimeSeconds),
      configSource(configStore, events, Math.min(settings.urlLifetimeSeconds, CONFIG_URL_SECONDS)),
    ],
    signer: new UrlSigner(urlKey, clock),
    faults,
    rules: settings.objectStore,
    urlMinLength: settings.urlMinLength,
    origin: (scheme) => addresses.of(scheme),
  });
  return { firmware, configStore, server };
}

function deviceHooks(
  settings: Settings,
  connections: Connections,
  jobs: Jobs,
  rooms: () => Pick<Rooms, 'registrations' | 'certificates' | 'gateways' | 'logs' | 'messages'>,
): DeviceHooks {
  return {
    presence: (key) => connections.presence(key),
    disconnect: (key) => {
      const reason = unsupportedFault(settings, 'mqtt-drop');
      if (reason !== undefined) throw new PlatformError('ERR_FAULT_UNSUPPORTED', reason);
      connections.disconnect(key);
    },
    removed: (key) => {
      for (const task of jobs.activeOf(key)) jobs.move(task, 'cancelled', 'device-removed');
      // First what a gateway carries: the gateway's own connection goes on.
      rooms().gateways.removed(key);
      rooms().registrations.forget(key);
      rooms().certificates.forget(key);
      rooms().logs.forget(key);
      rooms().messages.properties.forget(key);
      connections.disconnect(key);
    },
    switched: (key, isDisabled) => {
      rooms().gateways.switched(key, isDisabled);
      if (isDisabled) connections.disconnect(key);
    },
    reset: (key) => {
      rooms().gateways.reset(key);
      rooms().registrations.forget(key);
      connections.disconnect(key);
    },
  };
}

function firmwareSource(
  firmware: FirmwareStore,
  events: Events,
  lifetimeSeconds: number,
): FileSource {
  return {
    lifetimeSeconds,
    folder: 'firmware',
    get: (id) => firmware.image(id),
    path: (id) => firmware.path(id),
    isWhole: (id) => firmware.isWhole(id),
    ended: ({ owner, name }, outcome) => {
      firmware.count(owner, outcome.bytes);
      const file = name === undefined ? {} : { file: name };
      events.emit('download', { firmwareId: owner, ...file, ...outcome });
    },
  };
}

function configSource(configs: ConfigStore, events: Events, lifetimeSeconds: number): FileSource {
  return {
    lifetimeSeconds,
    folder: 'config',
    get: (id) => configs.image(id),
    path: (id) => configs.path(id),
    isWhole: (id) => configs.isWhole(id),
    ended: ({ id }, outcome) => events.emit('config-download', { configId: id, ...outcome }),
  };
}

/** How notices name an image: at this process, signed, or wherever the operator serves it. */
function firmwareUrls(
  { firmwareBaseUrl, firmwareScheme }: Settings,
  server: FirmwareServer,
): (id: string) => string {
  return (id) =>
    firmwareBaseUrl === undefined
      ? server.url('firmware', id, firmwareScheme)
      : `${firmwareBaseUrl}/${id}.bin`;
}
