// Tested by platform/test/logs/operator.test.ts

import type { FastifyInstance } from 'fastify';
import type { LogSelection } from '../logs/logs';
import type { DeviceKey } from '../types/device';
import { deviceParams, idParams, logsQuery, upgradeLogsQuery, wishBody } from './schemas';
import type { Served } from './served';

/** In digits. */
type LogsQuery = { readonly [Name in keyof LogSelection]: string };

interface Id {
  readonly id: string;
}

/** The logs of devices, and of what they did in an upgrade. */
export function addLogs(app: FastifyInstance, { logs, upgrades }: Served): void {
  const path = '/api/devices/:productKey/:deviceName/logs';
  const params = deviceParams;
  app.get<{ Params: DeviceKey; Querystring: LogsQuery }>(
    path,
    { schema: { params, querystring: logsQuery } },
    async (request) => ({
      wanted: logs.isWanted(request.params),
      entries: logs.list(request.params, selectionOf(request.query)),
    }),
  );
  app.put<{ Params: DeviceKey; Body: { readonly wanted: boolean } }>(
    path,
    { schema: { params, body: wishBody } },
    async (request) => {
      await logs.want(request.params, request.body.wanted);
      return { wanted: request.body.wanted };
    },
  );
  app.delete<{ Params: DeviceKey }>(path, { schema: { params } }, async (request, reply) => {
    await logs.clear(request.params);
    return reply.code(204).send();
  });
  app.get<{ Params: Id; Querystring: { readonly device?: string } }>(
    '/api/upgrades/:id/logs',
    { schema: { params: idParams, querystring: upgradeLogsQuery } },
    async ({ params: { id }, query: { device } }) => ({
      entries: upgrades.logs(id, device === undefined ? undefined : [device]),
    }),
  );
}

function selectionOf(query: LogsQuery): LogSelection {
  return Object.fromEntries(Object.entries(query).map(([name, value]) => [name, Number(value)]));
}
