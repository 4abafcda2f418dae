import type { IncomingMessage, ServerResponse } from 'node:http';
import { messageOf } from '../errors';
import type { Faults, Strike } from '../faults';
import type { DownloadOutcome } from '../types';
import { sendBody } from './body';
import { answer, BODY_FAULTS, type BodyFault, type Image } from './response';
import type { UrlSigner } from './signed-url';

/** A store of files that are served. */
export interface FileSource {
  /** Name of its folder in addresses. */
  readonly folder: 'firmware' | 'config';
  readonly get: (id: string) => Image | undefined;
  readonly path: (id: string) => string;
  /** Called when a request for one has ended. */
  readonly ended: (image: Image, outcome: DownloadOutcome) => void;
}

interface Parts {
  readonly sources: readonly FileSource[];
  readonly signer: UrlSigner;
  readonly faults: Faults;
  readonly lifetimeSeconds: number;
  readonly urlMinLength: number;
  /** Scheme, host and port in front of a path. */
  readonly origin: (scheme: 'http' | 'https') => string;
}

type Scheme = 'http' | 'https';
type HeadFault = Strike<(typeof HEAD_FAULTS)[number]>;

const HEAD_FAULTS = ['http-status', 'http-no-answer', 'http-redirect', 'http-expired'] as const;
const PATH = /^\/([a-z]+)\/([0-9a-f]{16})\.bin(?:\?|$)/;
const HOP = /[?&]hop=(\d+)\.(\d+)\.(\d+)(?:&|$)/;

/** What went on during a request, for its event. */
interface Account {
  readonly source: FileSource;
  readonly image: Image;
  bytes: number;
  faultId: string | undefined;
}

/**
 * Serves firmware and configurations over HTTP and HTTPS, at addresses that are signed and expire.
 */
export class FirmwareServer {
  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Whether a request is for this server. */
  owns(target: string): boolean {
    return this.#parts.sources.some(({ folder }) => target.startsWith(`/${folder}/`));
  }

  /** An address for a file, valid for the configured time. */
  url(
    folder: FileSource['folder'],
    id: string,
    scheme: Scheme,
    parameters: Readonly<Record<string, string>> = {},
  ): string {
    const { origin, signer, lifetimeSeconds, urlMinLength } = this.#parts;
    const front = origin(scheme);
    const path = `/${folder}/${id}.bin`;
    return front + signer.sign(path, lifetimeSeconds, parameters, urlMinLength - front.length);
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    this.#handle(request, response).catch((error: unknown) => {
      if (response.headersSent) response.destroy();
      else sendError(response, 500, 'InternalError', messageOf(error));
    });
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const target = request.url ?? '';
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.setHeader('allow', 'GET, HEAD');
      sendError(response, 405, 'MethodNotAllowed', 'Only GET and HEAD are allowed.');
      return;
    }
    const flaw = this.#parts.signer.check(target);
    if (flaw !== undefined) {
      sendFlaw(response, flaw);
      return;
    }
    const [, folder, id = ''] = PATH.exec(target) ?? [];
    const source = this.#parts.sources.find((each) => each.folder === folder);
    const image = source?.get(id);
    if (source === undefined || image === undefined) {
      sendError(response, 404, 'NoSuchKey', 'The specified key does not exist.');
      return;
    }
    const account: Account = { source, image, bytes: 0, faultId: undefined };
    const closed = new Promise((resolve) => response.once('close', resolve));
    await this.#serve(request, response, account);
    await closed;
    this.#tell(request, response, account);
  }

  async #serve(
    request: IncomingMessage,
    response: ServerResponse,
    account: Account,
  ): Promise<void> {
    const { source, image } = account;
    const occasion = { firmwareId: image.owner };
    const isGet = request.method === 'GET';
    if (this.#redirectOn(request, response, account)) return;
    // At the end of a chain of redirects it must not begin again.
    const kinds = HEAD_FAULTS.filter(
      (kind) => kind !== 'http-redirect' || !HOP.test(request.url ?? ''),
    );
    const [first] = isGet ? this.#parts.faults.strike(kinds, occasion, 1) : [];
    if (first !== undefined) {
      account.faultId = first.id;
      this.#strike(first, request, response, account);
      return;
    }
    const faults: BodyFault[] = isGet ? this.#parts.faults.strike(BODY_FAULTS, occasion) : [];
    account.faultId = faults[0]?.id;
    const { status, headers, body } = answer(request, image, source.path(image.id), faults);
    response.writeHead(status, headers);
    if (body === undefined || !isGet) response.end();
    else account.bytes = await sendBody(response, body);
  }

  /** Goes on with a chain of redirects that an address says it is part of. */
  #redirectOn(
    request: IncomingMessage,
    response: ServerResponse,
    { source, image }: Account,
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
    { source, image }: Account,
  ): void {
    switch (fault.kind) {
      case 'http-no-answer':
        return;
      case 'http-expired':
        sendFlaw(response, 'expired');
        return;
      case 'http-status':
        if (fault.retryAfterSeconds !== undefined) {
          response.setHeader('retry-after', fault.retryAfterSeconds);
        }
        sendError(response, fault.status, 'InjectedFault', 'The platform was asked to fail.');
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

  #tell(request: IncomingMessage, response: ServerResponse, account: Account): void {
    const { range } = request.headers;
    account.source.ended(account.image, {
      method: request.method ?? '',
      status: response.statusCode,
      bytes: account.bytes,
      complete: response.writableFinished,
      ...(range !== undefined && { range }),
      ...(account.faultId !== undefined && { faultId: account.faultId }),
    });
  }
}

function schemeOf(request: IncomingMessage): Scheme {
  return 'encrypted' in request.socket ? 'https' : 'http';
}

function redirect(response: ServerResponse, status: number, location: string): void {
  response.writeHead(status, { location, 'content-length': 0 });
  response.end();
}

function sendFlaw(response: ServerResponse, flaw: 'altered' | 'expired'): void {
  if (flaw === 'expired') sendError(response, 403, 'AccessDenied', 'Request has expired.');
  else {
    const text = 'The request signature we calculated does not match the signature you provided.';
    sendError(response, 403, 'SignatureDoesNotMatch', text);
  }
}

/** An error in the form of the object store behind the real platform. */
function sendError(response: ServerResponse, status: number, code: string, message: string): void {
  const text = message.replace(/[<&]/g, (char) => (char === '<' ? '&lt;' : '&amp;'));
  const body =
    '<?xml version="1.0" encoding="UTF-8"?>\n' +
    `<Error>\n  <Code>${code}</Code>\n  <Message>${text}</Message>\n</Error>\n`;
  response.writeHead(status, {
    'content-type': 'application/xml',
    'content-length': Buffer.byteLength(body),
  });
  // Node leaves the body of a HEAD, 204 or 304 out by itself.
  response.end(body);
}
