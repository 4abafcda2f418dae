import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import Fastify, { type FastifyError, type FastifyInstance } from 'fastify';
import { PlatformError } from '../errors';
import type { Events } from '../events';
import { EventStreams } from './event-stream';
import { addRoutes } from './routes';
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
      // Listeners are opened elsewhere, for two of them share these routes.
      serverFactory: (handler) => createServer(handler),
      ajv: { customOptions: { removeAdditional: false, coerceTypes: false } },
      forceCloseConnections: true,
    });
    const streams = new EventStreams(events);
    app.addContentTypeParser('application/octet-stream', (_request, payload, done) =>
      done(null, payload),
    );
    app.addHook('onRequest', async (request) => {
      checkToken(request.headers.authorization, platform.operatorToken);
    });
    app.setErrorHandler((error: FastifyError | PlatformError, _request, reply) => {
      const { status, code, message } = describe(error);
      return reply.code(status).send({ error: { code, message } });
    });
    app.setNotFoundHandler((request, reply) => {
      const message = `there is no ${request.method} ${request.url.split('?')[0]}`;
      return reply.code(404).send({ error: { code: 'ERR_NOT_FOUND', message } });
    });
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

function checkToken(authorization: string | undefined, token: string): void {
  const [scheme = '', given = ''] = (authorization ?? '').split(' ');
  const same = timingSafeEqual(digest(given), digest(token));
  if (scheme.toLowerCase() === 'bearer' && same) return;
  throw new PlatformError('ERR_UNAUTHORIZED', 'the operator token is missing or wrong');
}

/** Digests are compared, for they are of one length. */
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
