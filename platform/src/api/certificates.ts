// Tested by platform/test/api/api.test.ts

import type { FastifyInstance } from 'fastify';
import type { AuthorityOptions } from '../identities/authorities';
import type { DeviceKey } from '../types/device';
import {
  authorityBody,
  certificateBody,
  deviceParams,
  idParams,
  registeredCertificateBody,
  serialParams,
} from './schemas';
import type { Served } from './served';

/** Certificates of devices. */
export function addCertificates(app: FastifyInstance, served: Served): void {
  const { certificates } = served;
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
  app.post<{ Params: DeviceKey; Body: { readonly certificate: string } }>(
    `${path}/register`,
    { schema: { params, body: registeredCertificateBody } },
    async (request, reply) => {
      const registered = await certificates.register(request.params, request.body.certificate);
      return reply.code(201).send(registered);
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
  addAuthorities(app, served);
}

/** CAs of the operator's own. */
function addAuthorities(app: FastifyInstance, { authorities }: Served): void {
  app.get('/api/authorities', async () => ({
    registrationCode: authorities.registrationCode,
    authorities: authorities.list(),
  }));
  app.post<{ Body: AuthorityOptions }>(
    '/api/authorities',
    { schema: { body: authorityBody } },
    async (request, reply) => reply.code(201).send(await authorities.register(request.body)),
  );
  app.delete<{ Params: { readonly id: string } }>(
    '/api/authorities/:id',
    { schema: { params: idParams } },
    async (request, reply) => {
      await authorities.remove(request.params.id);
      return reply.code(204).send();
    },
  );
}
