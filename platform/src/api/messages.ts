// Tested by platform/test/api/api.test.ts

import type { FastifyInstance } from 'fastify';
import { PlatformError } from '../base/errors';
import { fromJson, type JsonPayload, toJson } from '../messages/payload';
import type { DeviceKey } from '../types/device';
import {
  batchPublishBody,
  broadcastBody,
  callBody,
  deviceParams,
  productParams,
  publishBody,
} from './schemas';
import type { Served } from './served';

type Product = Pick<DeviceKey, 'productKey'>;
type PublishBody = Partial<JsonPayload> & { readonly topic: string; readonly qos?: 0 | 1 };
type BatchBody = PublishBody & { readonly deviceNames: readonly string[] };
type BroadcastBody = Partial<JsonPayload> & { readonly topic?: string };
type CallBody = Partial<JsonPayload> & { readonly topic?: string; readonly timeoutMs?: number };

/** Messages to devices, calls of them, and what they post. */
export function addMessages(app: FastifyInstance, platform: Served): void {
  const path = '/api/devices/:productKey/:deviceName';
  app.post<{ Params: DeviceKey; Body: PublishBody }>(
    `${path}/publish`,
    { schema: { params: deviceParams, body: publishBody } },
    async (request) => {
      const { topic, qos } = request.body;
      const payload = fromJson(request.body);
      const options = { ...request.params, topic, payload, ...(qos !== undefined && { qos }) };
      return platform.messages.publish(options);
    },
  );
  app.post<{ Params: DeviceKey; Body: CallBody }>(
    `${path}/call`,
    { schema: { params: deviceParams, body: callBody } },
    async (request) => {
      const { topic, timeoutMs } = request.body;
      const { payload, ...answer } = await platform.messages.call({
        ...request.params,
        payload: fromJson(request.body),
        ...(topic !== undefined && { topic }),
        ...(timeoutMs !== undefined && { timeoutMs }),
      });
      return { ...answer, ...toJson(payload) };
    },
  );
  app.get<{ Params: DeviceKey }>(
    `${path}/properties`,
    { schema: { params: deviceParams } },
    async (request) => {
      if (platform.devices.get(request.params) === undefined) {
        const { productKey, deviceName } = request.params;
        const text = `there is no device ${deviceName}&${productKey}`;
        throw new PlatformError('ERR_DEVICE_UNKNOWN', text);
      }
      return { properties: platform.messages.properties.of(request.params) };
    },
  );
  addProductMessages(app, platform);
}

/** Messages to many devices of a product. */
function addProductMessages(app: FastifyInstance, { messages }: Served): void {
  const path = '/api/products/:productKey';
  app.post<{ Params: Product; Body: BatchBody }>(
    `${path}/publish`,
    { schema: { params: productParams, body: batchPublishBody } },
    async (request) => {
      const { deviceNames, topic, qos } = request.body;
      const publications = await messages.publishAll({
        ...request.params,
        deviceNames,
        topic,
        payload: fromJson(request.body),
        ...(qos !== undefined && { qos }),
      });
      return { publications };
    },
  );
  app.post<{ Params: Product; Body: BroadcastBody }>(
    `${path}/broadcast`,
    { schema: { params: productParams, body: broadcastBody } },
    async (request) => {
      const { topic } = request.body;
      const payload = fromJson(request.body);
      return messages.broadcast({
        ...request.params,
        payload,
        ...(topic !== undefined && { topic }),
      });
    },
  );
}
