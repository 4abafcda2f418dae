import type { IncomingMessage, ServerResponse } from 'node:http';
import { messageOf } from '../base/errors';
import type { Events } from '../events/events';
import {
  REGISTRATION,
  RegistrationRefusal,
  type RegistrationRequest,
  type Registrations,
} from './registration';

/** What is answered: one line without white space, as small clients scan it. */
interface Answer {
  readonly code: number;
  readonly data: object;
  readonly message: string;
}

const PATH = '/auth/register/device';
const MAX_BODY_BYTES = 4096;
const MAX_READ_BYTES = 64 * 1024;
const CODE_SUCCESS = 200;
const CODE_FAILED = 500;
const FIELDS = ['productKey', 'deviceName', 'random', 'sign', 'signMethod'] as const;

/** Dynamic registration over HTTPS, for registered devices that have not signed in yet. */
export class RegistrationEndpoint {
  readonly #registrations: Registrations;
  readonly #events: Events;

  constructor(registrations: Registrations, events: Events) {
    this.#registrations = registrations;
    this.#events = events;
  }

  /** Whether a request is for this endpoint. */
  static isFor({ url = '' }: IncomingMessage): boolean {
    return url.split('?')[0] === PATH;
  }

  handle(request: IncomingMessage, response: ServerResponse): void {
    if (request.method !== 'POST') {
      response.writeHead(405, { Allow: 'POST', 'Content-Length': 0 });
      response.end();
      return;
    }
    if (request.headers.expect !== undefined) response.writeContinue();
    this.#answer(request).then(
      (answer) => send(response, answer),
      // It has ended before its time, or does not end: nobody is there to be answered.
      () => response.destroy(),
    );
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const form = await readForm(request);
    try {
      const { productKey, deviceName, deviceSecret } = await this.#registrations.register(
        requestOf(form),
      );
      const data = { productKey, deviceName, deviceSecret };
      return { code: CODE_SUCCESS, data, message: 'success' };
    } catch (error) {
      const isRefusal = error instanceof RegistrationRefusal;
      const code = isRefusal ? error.code : CODE_FAILED;
      const clientId = `${form?.get('deviceName') ?? ''}&${form?.get('productKey') ?? ''}`;
      const reason = messageOf(error);
      this.#events.emit('device-refused', { clientId, returnCode: code, reason });
      return { code, data: {}, message: isRefusal ? reason : 'the platform failed' };
    }
  }
}

/** Undefined when it is too long. Rejects when the request ends before its time. */
async function readForm(request: IncomingMessage): Promise<URLSearchParams | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    // A little more is read and dropped, so that the answer arrives.
    if (size > MAX_READ_BYTES) throw new Error('the body has no end');
    if (size <= MAX_BODY_BYTES) chunks.push(chunk as Buffer);
  }
  if (size > MAX_BODY_BYTES) return undefined;
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}

function requestOf(form: URLSearchParams | undefined): RegistrationRequest {
  const missing = FIELDS.find((name) => !form?.get(name));
  if (form === undefined || missing !== undefined) {
    const reason = form === undefined ? 'the body is too long' : `${missing} is missing`;
    throw new RegistrationRefusal(REGISTRATION.parameters, reason);
  }
  const of = (name: (typeof FIELDS)[number]): string => form.get(name) ?? '';
  return {
    productKey: of('productKey'),
    deviceName: of('deviceName'),
    random: of('random'),
    method: of('signMethod'),
    sign: of('sign'),
  };
}

function send(response: ServerResponse, answer: Answer): void {
  const body = JSON.stringify(answer);
  response.writeHead(200, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
  });
  response.end(body);
}
