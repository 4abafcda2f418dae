// Tested by platform/test/api/api.test.ts

import type { FastifyInstance } from 'fastify';
import type { DeviceKey } from '../types/device';
import { deviceParams, permitBody, proposalBody, topologyBody } from './schemas';
import type { Served } from './served';

interface Selection {
  readonly devices: readonly DeviceKey[];
}

interface Permission {
  readonly productKey: string;
  readonly seconds?: number;
  readonly timeoutSeconds?: number;
}

/** The topology of gateways. */
export function addGateways(app: FastifyInstance, { gateways }: Served): void {
  const path = '/api/gateways/:productKey/:deviceName/topology';
  const params = deviceParams;
  app.get<{ Params: DeviceKey }>(path, { schema: { params } }, async (request) => ({
    devices: gateways.topology(request.params),
  }));
  const schema = { params, body: topologyBody };
  app.post<{ Params: DeviceKey; Body: Selection }>(path, { schema }, async (request) => {
    await gateways.add(request.params, request.body.devices);
    return { devices: gateways.topology(request.params) };
  });
  app.post<{ Params: DeviceKey; Body: Selection }>(
    `${path}/remove`,
    { schema },
    async (request) => {
      await gateways.remove(request.params, request.body.devices);
      return { devices: gateways.topology(request.params) };
    },
  );
  app.post<{ Params: DeviceKey; Body: Selection & { readonly timeoutSeconds?: number } }>(
    `${path}/propose`,
    { schema: { params, body: proposalBody } },
    async ({ params, body: { devices, ...options } }) => gateways.propose(params, devices, options),
  );
  app.post<{ Params: DeviceKey; Body: Permission }>(
    '/api/gateways/:productKey/:deviceName/permit',
    { schema: { params, body: permitBody } },
    async ({ params, body: { productKey, ...options } }) =>
      gateways.permit(params, productKey, options),
  );
}
