// api/: the operator's JSON API over HTTP. It gets the objects it serves (served.ts) and opens no
// port. Imports base, faults, types, devices, events, protocol (topic filters), firmware, configs,
// messages, upgrades.

import { createHash, randomUUID, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import Fastify, {
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import { PlatformError } from '../base/errors';
import type { Log } from '../base/log';
import type { Events } from '../events/events';
import { EventStreams } from './event-stream';
import { Metrics } from './metrics';
import { addRoutes, type UploadLimit } from './routes';
import type { Served } from './served';

const MAX_JSON_BYTES = 4 * 1024 * 1024;

/** The operator's JSON API, under `/api`. Errors are `{ error: { code, message } }`. */
export class Api {
  readonly #app: FastifyInstance;
  readonly #streams: EventStreams;

  private constructor(app: FastifyInstance, streams: EventStreams) {
    this.#app = app;
    this.#streams = streams;
  }

  static async open(platform: Served, events: Events): Promise<Api> {
    const app = Fastify({
      bodyLimit: MAX_JSON_BYTES,
      genReqId: () => randomUUID(),
      requestIdHeader: false,
      // Fastify opens no listener: two of ours, HTTP and HTTPS, share these routes.
      serverFactory: (handler) => createServer(handler),
      ajv: { customOptions: { removeAdditional: false, coerceTypes: false } },
      forceCloseConnections: true,
      // An address that cannot be decoded has no route, and so none of the hooks.
      frameworkErrors: (error, request, reply) => {
        try {
          checkToken(request.headers.authorization, platform.operatorToken);
          answerError(reply, error);
        } catch (refusal) {
          answerError(reply, refusal as PlatformError);
        }
      },
    });
    const streams = new EventStreams(events);
    app.addContentTypeParser('application/octet-stream', (_request, payload, done) =>
      done(null, payload),
    );
    app.addHook('onResponse', async (request, reply) => logRequest(platform.log, request, reply));
    app.addHook('onRequest', async (request, reply) => {
      reply.header('x-request-id', request.id);
      if (isPublic(request)) return;
      checkToken(request.headers.authorization, platform.operatorToken);
      checkLength(request);
      if (request.headers.expect !== undefined) reply.raw.writeContinue();
    });
    app.setErrorHandler((error: FastifyError | PlatformError, _request, reply) =>
      answerError(reply, error),
    );
    app.setNotFoundHandler((request, reply) => {
      const message = `there is no ${request.method} ${request.url.split('?')[0]}`;
      return reply.code(404).send({ error: { code: 'ERR_NOT_FOUND', message } });
    });
    const metrics = new Metrics(platform, events);
    app.get('/metrics', async (_request, reply) =>
      reply.type(metrics.contentType).send(await metrics.text()),
    );
    addRoutes(app, platform, streams);
    await app.ready();
    return new Api(app, streams);
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    this.#app.routing(request, response);
  }

  async close(): Promise<void> {
    this.#streams.close();
    await this.#app.close();
  }
}

/** Neither headers nor parameters: what is secret is in them. */
function logRequest(log: Log | undefined, request: FastifyRequest, reply: FastifyReply): void {
  const { id: requestId, method, url } = request;
  const { statusCode: status } = reply;
  const [path] = url.split('?');
  const ms = Math.round(reply.elapsedTime);
  log?.(status >= 500 ? 'error' : 'info', 'request', { requestId, method, path, status, ms });
}

/** The one route without a token: for whoever only watches whether the process is well. */
function isPublic({ routeOptions }: FastifyRequest): boolean {
  return routeOptions.url === '/healthz';
}

/** Refuses a body that is too long before anything of it is read. */
function checkLength({ headers, routeOptions }: FastifyRequest): void {
  const { upload } = routeOptions.config as { readonly upload?: UploadLimit };
  if (upload === undefined || Number(headers['content-length'] ?? 0) <= upload.maxBytes) return;
  throw new PlatformError(upload.tooLong, `the body is longer than ${upload.maxBytes} bytes`);
}

function answerError(reply: FastifyReply, error: FastifyError | PlatformError): void {
  const { status, code, message } = describe(error);
  reply.code(status).send({ error: { code, message } });
}

function checkToken(authorization: string | undefined, token: string): void {
  const [scheme = '', given = ''] = (authorization ?? '').split(' ');
  const same = timingSafeEqual(digest(given), digest(token));
  if (scheme.toLowerCase() === 'bearer' && same) return;
  throw new PlatformError('ERR_UNAUTHORIZED', 'the operator token is missing or wrong');
}

/** Digests are compared instead of tokens: they have the same length. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function describe(error: FastifyError | PlatformError): {
  status: number;
  code: string;
  message: string;
} {
  if (error instanceof PlatformError) {
    return { status: error.status, code: error.code, message: error.message };
  }
  const status = error.statusCode ?? 500;
  if (status >= 400 && status < 500) {
    return { status, code: 'ERR_INVALID_ARGUMENT', message: error.message };
  }
  return { status: 500, code: 'ERR_INTERNAL', message: 'an unexpected error in the platform' };
}
