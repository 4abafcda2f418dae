import type { IncomingMessage, ServerResponse } from 'node:http';
import { messageOf } from '../base/errors';
import type { DownloadOutcome } from '../events/event-types';
import type { Faults, Strike } from '../faults/faults';
import { sendBody } from './body';
import {
  ALTERED,
  EXPIRED,
  INCOMPLETE,
  type ObjectStoreRules,
  requestFlaw,
  type StoreError,
  spelled,
} from './object-store';
import { answer, BODY_FAULTS, type BodyFault, type Image } from './response';
import type { UrlFlaw, UrlSigner } from './signed-url';

/** A store of files that are served. */
export interface FileSource {
  /** Name of its folder in addresses. */
  readonly folder: 'firmware' | 'config';
  readonly get: (id: string) => Image | undefined;
  readonly path: (id: string) => string;
  /** Whether the file is there, with its size. */
  readonly isWhole: (id: string) => Promise<boolean>;
  /** How long its addresses are valid. */
  readonly lifetimeSeconds: number;
  /** Called when a request for one has ended. */
  readonly ended: (image: Image, outcome: DownloadOutcome) => void;
}

interface Dependencies {
  readonly sources: readonly FileSource[];
  readonly signer: UrlSigner;
  readonly faults: Faults;
  readonly rules: ObjectStoreRules;
  readonly urlMinLength: number;
  /** Scheme, host and port in front of a path. */
  readonly origin: (scheme: 'http' | 'https') => string;
}

type Scheme = 'http' | 'https';
type HeadFault = Strike<(typeof HEAD_FAULTS)[number]>;

const FLAWS: Readonly<Record<UrlFlaw, StoreError>> = {
  altered: ALTERED,
  expired: EXPIRED,
  incomplete: INCOMPLETE,
};
const NO_SUCH_KEY: StoreError = {
  status: 404,
  code: 'NoSuchKey',
  message: 'The specified key does not exist.',
};
const NOT_ALLOWED: StoreError = {
  status: 405,
  code: 'MethodNotAllowed',
  message: 'Only GET and HEAD are allowed.',
};

const HEAD_FAULTS = ['http-status', 'http-no-answer', 'http-redirect', 'http-expired'] as const;
const PATH = /^\/([a-z]+)\/([0-9a-f]{16})\.bin(?:\?|$)/;
const HOP = /[?&]hop=(\d+)\.(\d+)\.(\d+)(?:&|$)/;

/** A request and what was sent for it, for its event. */
interface Exchange {
  readonly source: FileSource;
  readonly image: Image;
  bytes: number;
  faultId: string | undefined;
}

/**
 * Serves firmware and configurations over HTTP and HTTPS, at addresses that are signed and expire.
 */
export class FirmwareServer {
  readonly #deps: Dependencies;

  constructor(deps: Dependencies) {
    this.#deps = deps;
  }

  /** An address for a file, valid for the configured time. */
  url(
    folder: FileSource['folder'],
    id: string,
    scheme: Scheme,
    parameters: Readonly<Record<string, string>> = {},
  ): string {
    const { origin, signer, sources, urlMinLength } = this.#deps;
    const lifetimeSeconds = sources.find((each) => each.folder === folder)?.lifetimeSeconds ?? 0;
    const front = origin(scheme);
    const path = `/${folder}/${id}.bin`;
    return front + signer.sign(path, lifetimeSeconds, parameters, urlMinLength - front.length);
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    this.#handle(request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else {
        sendError(response, { status: 500, code: 'InternalError', message: messageOf(error) });
      }
    });
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = request.url ?? '';
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('Allow', 'GET, HEAD');
      sendError(response, NOT_ALLOWED);
      return;
    }
    if (!this.#deps.sources.some(({ folder }) => target.startsWith(`/${folder}/`))) {
      sendError(response, NO_SUCH_KEY);
      return;
    }
    const flaw = this.#deps.signer.check(target);
    const isStrict = this.#deps.rules.signedRequests === 'strict';
    const error = flaw === undefined ? isStrict && requestFlaw(request) : FLAWS[flaw];
    if (error) {
      sendError(response, error);
      return;
    }
    const [, folder, id = ''] = PATH.exec(target) ?? [];
    const source = this.#deps.sources.find((each) => each.folder === folder);
    const image = source?.get(id);
    const isThere = image !== undefined && (await source?.isWhole(image.id));
    if (source === undefined || image === undefined || !isThere) {
      sendError(response, NO_SUCH_KEY);
      return;
    }
    const exchange: Exchange = { source, image, bytes: 0, faultId: undefined };
    const closed = new Promise((resolve) => response.once('close', resolve));
    await this.#serve(request, response, exchange);
    await closed;
    this.#report(request, response, exchange);
  }

  async #serve(
    request: IncomingMessage,
    response: ServerResponse,
    exchange: Exchange,
  ): Promise<void> {
    const { source, image } = exchange;
    const occasion = { firmwareId: image.owner };
    const isGet = request.method === 'GET';
    if (this.#redirectAgain(request, response, exchange)) return;
    // The last hop of a chain of redirects is answered and not redirected again.
    const kinds = HEAD_FAULTS.filter(
      (kind) => kind !== 'http-redirect' || !HOP.test(request.url ?? ''),
    );
    const [first] = isGet ? this.#deps.faults.strike(kinds, occasion, 1) : [];
    if (first !== undefined) {
      exchange.faultId = first.id;
      this.#strike(first, request, response, exchange);
      return;
    }
    const faults: BodyFault[] = isGet ? this.#deps.faults.strike(BODY_FAULTS, occasion) : [];
    exchange.faultId = faults[0]?.id;
    const { status, headers, body } = answer(
      request,
      image,
      source.path(image.id),
      faults,
      this.#deps.rules,
    );
    response.writeHead(status, spelled(headers));
    if (body === undefined || !isGet) response.end();
    else exchange.bytes = await sendBody(response, body);
  }

  /** Redirects once more when the address is a hop, and not the last, of a chain. */
  #redirectAgain(
    request: IncomingMessage,
    response: ServerResponse,
    { source, image }: Exchange,
  ): boolean {
    const [, hop, hops, status] = HOP.exec(request.url ?? '') ?? [];
    if (hop === undefined || Number(hop) >= Number(hops)) return false;
    const parameters = { hop: `${Number(hop) + 1}.${hops}.${status}` };
    const location = this.url(source.folder, image.id, schemeOf(request), parameters);
    redirect(response, Number(status), location);
    return true;
  }

  #strike(
    fault: HeadFault,
    request: IncomingMessage,
    response: ServerResponse,
    { source, image }: Exchange,
  ): void {
    switch (fault.kind) {
      case 'http-no-answer':
        return;
      case 'http-expired':
        sendError(response, EXPIRED);
        return;
      case 'http-status':
        if (fault.retryAfterSeconds !== undefined) {
          response.setHeader('Retry-After', fault.retryAfterSeconds);
        }
        sendError(response, {
          status: fault.status,
          code: 'InjectedFault',
          message: 'The platform was asked to fail.',
        });
        return;
      case 'http-redirect': {
        const status = fault.status ?? 302;
        const scheme = fault.downgrade ? 'http' : schemeOf(request);
        const parameters = { hop: `1.${fault.hops ?? 1}.${status}` };
        redirect(
          response,
          status,
          fault.location ?? this.url(source.folder, image.id, scheme, parameters),
        );
      }
    }
  }

  #report(request: IncomingMessage, response: ServerResponse, exchange: Exchange): void {
    const { range } = request.headers;
    exchange.source.ended(exchange.image, {
      method: request.method ?? '',
      status: response.statusCode,
      bytes: exchange.bytes,
      complete: response.writableFinished,
      ...(range !== undefined && { range }),
      ...(exchange.faultId !== undefined && { faultId: exchange.faultId }),
    });
  }
}

function schemeOf(request: IncomingMessage): Scheme {
  return 'encrypted' in request.socket ? 'https' : 'http';
}

function redirect(response: ServerResponse, status: number, location: string): void {
  response.writeHead(status, { Location: location, 'Content-Length': 0 });
  response.end();
}

/** An error in the form of the object store that the real platform uses. */
function sendError(response: ServerResponse, { status, code, message }: StoreError): void {
  const text = message.replace(/[<&]/g, (char) => (char === '<' ? '&lt;' : '&amp;'));
  const body =
    '<?xml version="1.0" encoding="UTF-8"?>\n' +
    `<Error>\n  <Code>${code}</Code>\n  <Message>${text}</Message>\n</Error>\n`;
  response.writeHead(status, {
    'Content-Type': 'application/xml',
    'Content-Length': Buffer.byteLength(body),
  });
  // Node.js itself omits the body of an answer to HEAD, or with 204 or 304.
  response.end(body);
}
