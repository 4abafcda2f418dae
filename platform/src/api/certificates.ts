// Tested by platform/test/api/api.test.ts

import type { FastifyInstance } from 'fastify';
import type { DeviceKey } from '../types/device';
import { certificateBody, deviceParams, serialParams } from './schemas';
import type { Served } from './served';

/** Certificates of devices. */
export function addCertificates(app: FastifyInstance, { certificates }: Served): void {
  const path = '/api/devices/:productKey/:deviceName/certificates';
  const params = deviceParams;
  app.get('/api/certificates', async () => ({ certificates: certificates.list() }));
  app.get<{ Params: DeviceKey }>(path, { schema: { params } }, async (request) => ({
    certificates: certificates.list(request.params),
  }));
  // The one answer that carries the key.
  app.post<{ Params: DeviceKey; Body: { readonly days?: number } | null }>(
    path,
    { schema: { params, body: certificateBody } },
    async (request, reply) => {
      const issued = await certificates.issue(request.params, request.body ?? {});
      return reply.code(201).send(issued);
    },
  );
  app.delete<{ Params: { readonly serial: string } }>(
    '/api/certificates/:serial',
    { schema: { params: serialParams } },
    async (request, reply) => {
      await certificates.revoke(request.params.serial);
      return reply.code(204).send();
    },
  );
}
