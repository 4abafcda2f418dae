// Tested by platform/test/api/api.test.ts

import type { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { invalid, PlatformError, type PlatformErrorCode } from '../base/errors';
import type { ConfigPushOptions } from '../configs/options';
import { MAX_CONFIG_BYTES, readConfig } from '../configs/store';
import type { DeviceOptions } from '../devices/devices';
import type { Fault } from '../faults/fault-types';
import type { FirmwareOptions } from '../firmware/options';
import type { Device, DeviceKey } from '../types/device';
import type { SignMethod } from '../types/firmware';
import type { UpgradeOptions } from '../upgrades/options';
import { addCertificates } from './certificates';
import type { EventStreams, MessageSelection } from './event-stream';
import { addGateways } from './gateways';
import { addLogs } from './logs';
import { addMessages } from './messages';
import { addProducts } from './products';
import {
  configPushBody,
  configQuery,
  deviceBatchBody,
  deviceBody,
  deviceParams,
  eventsQuery,
  faultBody,
  firmwareQuery,
  idParams,
  productParams,
  selectionBody,
  upgradeBody,
} from './schemas';
import type { Served } from './served';
import { parseFiles, splitFiles } from './several-files';

interface Id {
  readonly id: string;
}

interface FirmwareQuery {
  readonly productKey: string;
  readonly version: string;
  readonly module?: string;
  readonly signMethod?: SignMethod;
  readonly sourceVersions?: string;
  readonly isDiff?: 'true' | 'false';
  readonly allowSameVersion?: 'true' | 'false';
  readonly extData?: string;
  readonly files?: string;
}

type EventsQuery = MessageSelection & { readonly type?: 'message' };

/** How long the body of a route may be, and the code of the refusal. */
export interface UploadLimit {
  readonly maxBytes: number;
  readonly tooLong: PlatformErrorCode;
}

type Product = Pick<DeviceKey, 'productKey'>;
type Selection = { readonly devices?: readonly string[] } | null;

export function addRoutes(app: FastifyInstance, platform: Served, streams: EventStreams): void {
  addStatus(app, platform, streams);
  addProducts(app, platform);
  addDevices(app, platform);
  addMessages(app, platform);
  addCertificates(app, platform);
  addGateways(app, platform);
  addFirmware(app, platform);
  addUpgrades(app, platform);
  addConfigs(app, platform);
  addLogs(app, platform);
  addFaults(app, platform);
}

function addStatus(app: FastifyInstance, platform: Served, streams: EventStreams): void {
  app.get('/healthz', async (_request, reply) => {
    const { state, broker } = platform.health();
    const isWell = !state.degraded && broker.connected;
    return reply.code(isWell ? 200 : 503).send({ status: isWell ? 'ok' : 'degraded' });
  });
  app.get('/api/status', async () => {
    const devices = platform.devices.list();
    const upgrades = platform.upgrades.list();
    return {
      ...platform.health(),
      ports: platform.ports,
      firmwareUrl: platform.firmwareUrl,
      devices: { total: devices.length, online: devices.filter(({ online }) => online).length },
      firmware: platform.firmware.list().length,
      configs: platform.configs.list().length,
      upgrades: {
        total: upgrades.length,
        unfinished: upgrades.filter(({ settled }) => !settled).length,
      },
      faults: platform.faults.list().length,
    };
  });
  app.get<{ Querystring: EventsQuery }>(
    '/api/events',
    { schema: { querystring: eventsQuery } },
    (request, reply) => {
      const { type, ...selection } = request.query;
      if (type === 'message') platform.messages.expectMessages();
      else if (Object.keys(selection).length > 0) throw invalid('a selection needs type=message');
      reply.hijack();
      if (type === 'message') streams.serveMessages(reply.raw, selection);
      else streams.serve(reply.raw);
    },
  );
}

function addDevices(app: FastifyInstance, platform: Served): void {
  app.get('/api/devices', async () => ({ devices: platform.devices.list().map(withoutSecret) }));
  // The one answer that carries the secret.
  app.post<{ Body: DeviceOptions }>(
    '/api/devices',
    { schema: { body: deviceBody } },
    async (request, reply) => {
      const device = await platform.devices.add(request.body);
      return reply.code(201).send(device);
    },
  );
  // The same of many.
  app.post<{ Body: { readonly devices: readonly DeviceOptions[] } }>(
    '/api/devices/batch',
    { schema: { body: deviceBatchBody } },
    async (request, reply) => {
      const devices = await platform.devices.addAll(request.body.devices);
      return reply.code(201).send({ devices });
    },
  );
  const options = { schema: { params: deviceParams } };
  app.get<{ Params: DeviceKey }>(
    '/api/devices/:productKey/:deviceName',
    options,
    async (request) => {
      const { productKey, deviceName } = request.params;
      const device = platform.devices.get(request.params);
      if (device !== undefined) return withoutSecret(device);
      throw new PlatformError(
        'ERR_DEVICE_UNKNOWN',
        `there is no device ${deviceName}&${productKey}`,
      );
    },
  );
  app.post<{ Params: DeviceKey }>(
    '/api/devices/:productKey/:deviceName/disconnect',
    options,
    async (request, reply) => {
      platform.devices.disconnect(request.params);
      return reply.code(204).send();
    },
  );
  for (const action of ['disable', 'enable', 'reset'] as const) {
    app.post<{ Params: DeviceKey }>(
      `/api/devices/:productKey/:deviceName/${action}`,
      options,
      async (request, reply) => {
        await platform.devices[action](request.params);
        return reply.code(204).send();
      },
    );
  }
  app.delete<{ Params: DeviceKey }>(
    '/api/devices/:productKey/:deviceName',
    options,
    async (request, reply) => {
      await platform.devices.remove(request.params);
      return reply.code(204).send();
    },
  );
}

function addFirmware(app: FastifyInstance, platform: Served): void {
  app.get('/api/firmware', async () => ({ firmware: platform.firmware.list() }));
  app.post<{ Querystring: FirmwareQuery; Body: Readable }>(
    '/api/firmware',
    // The body is streamed: FirmwareStore limits what comes without a length.
    {
      schema: { querystring: firmwareQuery },
      bodyLimit: Number.MAX_SAFE_INTEGER,
      config: limit(platform.firmware.maxBytes, 'ERR_FIRMWARE_TOO_LARGE'),
    },
    async (request, reply) => {
      if (request.headers['content-type'] !== 'application/octet-stream') {
        throw invalid('the image must be sent as application/octet-stream');
      }
      const options = firmwareOptions(request.query, request.body);
      return reply.code(201).send(await platform.firmware.add(options));
    },
  );
  const options = { schema: { params: idParams } };
  app.get<{ Params: Id }>('/api/firmware/:id', options, async (request) =>
    platform.firmware.expect(request.params.id),
  );
  app.get<{ Params: Id }>('/api/firmware/:id/traffic', options, async (request) =>
    platform.firmware.traffic(request.params.id),
  );
  app.delete<{ Params: Id }>('/api/firmware/:id', options, async (request, reply) => {
    await platform.firmware.remove(request.params.id);
    return reply.code(204).send();
  });
}

function addUpgrades(app: FastifyInstance, platform: Served): void {
  app.get('/api/upgrades', async () => ({ upgrades: platform.upgrades.list() }));
  app.post<{ Body: UpgradeOptions }>(
    '/api/upgrades',
    { schema: { body: upgradeBody } },
    async (request, reply) => reply.code(201).send(await platform.upgrades.start(request.body)),
  );
  app.get<{ Params: Id }>(
    '/api/upgrades/:id',
    { schema: { params: idParams } },
    async (request) => {
      const upgrade = platform.upgrades.get(request.params.id);
      if (upgrade !== undefined) return upgrade;
      throw new PlatformError('ERR_UPGRADE_UNKNOWN', `there is no upgrade ${request.params.id}`);
    },
  );
  const schema = { params: idParams, body: selectionBody };
  app.post<{ Params: Id; Body: Selection }>(
    '/api/upgrades/:id/confirm',
    { schema },
    async (request) => platform.upgrades.confirm(request.params.id, request.body?.devices),
  );
  app.post<{ Params: Id; Body: Selection }>(
    '/api/upgrades/:id/cancel',
    { schema },
    async (request) => platform.upgrades.cancel(request.params.id, request.body?.devices),
  );
}

function addConfigs(app: FastifyInstance, platform: Served): void {
  app.get('/api/configs', async () => ({ configs: platform.configs.list() }));
  const params = productParams;
  app.get<{ Params: Product }>(
    '/api/configs/:productKey',
    { schema: { params } },
    async (request) => platform.configs.expect(request.params.productKey),
  );
  app.put<{ Params: Product; Querystring: { signMethod?: SignMethod }; Body: Readable }>(
    '/api/configs/:productKey',
    {
      schema: { params, querystring: configQuery },
      bodyLimit: Number.MAX_SAFE_INTEGER,
      config: limit(MAX_CONFIG_BYTES, 'ERR_CONFIG_TOO_LARGE'),
    },
    async (request) => {
      if (request.headers['content-type'] !== 'application/octet-stream') {
        throw invalid('the configuration must be sent as application/octet-stream');
      }
      const data = await readConfig(request.body);
      return platform.configs.set({ ...request.params, ...request.query, data });
    },
  );
  app.delete<{ Params: Product }>(
    '/api/configs/:productKey',
    { schema: { params } },
    async (request, reply) => {
      await platform.configs.remove(request.params.productKey);
      return reply.code(204).send();
    },
  );
  app.post<{ Params: Product; Body: Omit<ConfigPushOptions, 'productKey'> | null }>(
    '/api/configs/:productKey/push',
    { schema: { params, body: configPushBody } },
    async (request) => ({
      pushes: await platform.configs.push({ ...request.body, ...request.params }),
    }),
  );
}

function addFaults(app: FastifyInstance, platform: Served): void {
  app.get('/api/faults', async () => ({ faults: platform.faults.list() }));
  app.post<{ Body: Fault }>(
    '/api/faults',
    { schema: { body: faultBody } },
    async (request, reply) => reply.code(201).send({ id: platform.faults.set(request.body) }),
  );
  app.delete('/api/faults', async (_request, reply) => {
    platform.faults.clear();
    return reply.code(204).send();
  });
  app.delete<{ Params: Id }>(
    '/api/faults/:id',
    { schema: { params: idParams } },
    async (request, reply) => {
      platform.faults.remove(request.params.id);
      return reply.code(204).send();
    },
  );
}

function limit(maxBytes: number, tooLong: PlatformErrorCode): { upload: UploadLimit } {
  return { upload: { maxBytes, tooLong } };
}

function withoutSecret({ deviceSecret: _, ...device }: Device): Omit<Device, 'deviceSecret'> {
  return device;
}

function firmwareOptions(query: FirmwareQuery, stream: Readable): FirmwareOptions {
  const { sourceVersions, isDiff, allowSameVersion, extData, files, ...rest } = query;
  return {
    ...rest,
    ...(files === undefined ? { stream } : { files: splitFiles(stream, parseFiles(files)) }),
    ...(sourceVersions !== undefined && { sourceVersions: sourceVersions.split(',') }),
    ...(isDiff === 'true' && { isDiff: true }),
    ...(allowSameVersion === 'true' && { allowSameVersion: true }),
    ...(extData !== undefined && { extData: parseExtData(extData) }),
  };
}

function parseExtData(text: string): Record<string, string> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, string>;
    }
  } catch {
    // The same error as for JSON that is no object.
  }
  throw invalid('extData must be a JSON object of strings');
}
