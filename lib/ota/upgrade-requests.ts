/** Requests to the platform: is there an upgrade for a module? */
import { IotkitError } from '../base/errors';
import { throwIfAborted, whenAborted } from '../base/signals';
import type { Upgrade } from './upgrade';

/** Sends a request: its id, or a negative error. */
export type SendRequest = (module: string) => string | number;

interface PendingRequest {
  readonly module: string;
  readonly resolve: (answer: Upgrade | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** The requests that wait for their answers; sent again after the connection was lost. */
export class UpgradeRequests {
  readonly #sendNow: SendRequest;
  /** By request id. */
  readonly #sent = new Map<string, PendingRequest>();
  /** Sent when there is a connection. */
  readonly #unsent = new Set<PendingRequest>();

  constructor(sendNow: SendRequest) {
    this.#sendNow = sendNow;
  }

  /**
   * Resolves with the upgrade, or undefined: there is none.
   *
   * @throws IotkitError ERR_TIMEOUT, ERR_QUEUE_FULL, why the answer was refused; the signal's
   *   reason
   */
  ask(
    module: string,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Upgrade | undefined> {
    return new Promise((resolve, reject) => {
      throwIfAborted(signal);
      // Forgotten at once and not when the promise has settled: an answer that comes in between is
      // to nobody, and must be offered.
      const end = (): void => {
        clearTimeout(timer);
        stopListening();
        this.#forget(request);
      };
      const request: PendingRequest = {
        module,
        resolve: (answer) => {
          end();
          resolve(answer);
        },
        reject: (error) => {
          end();
          reject(error);
        },
      };
      const late = `the platform did not answer within ${timeoutMs} ms`;
      const timer = setTimeout(
        () => request.reject(new IotkitError('ERR_TIMEOUT', late)),
        timeoutMs,
      );
      const stopListening = whenAborted(signal, request.reject);
      this.#send(request);
    });
  }

  /** Asks for nobody, so that the answer is offered. Returns the request's id; undefined: not sent. */
  askForNobody(module: string): string | undefined {
    const id = this.#sendNow(module);
    return typeof id === 'string' ? id : undefined;
  }

  /** An answer has come; returns false if it answers no request of ours. */
  answered(id: string, answer: Upgrade | undefined): boolean {
    const request = this.#sent.get(id);
    request?.resolve(answer);
    return request !== undefined;
  }

  /** The platform refused the request, or this side the answer. */
  refused(id: string, error: IotkitError): void {
    this.#sent.get(id)?.reject(error);
  }

  /** There is a new connection: sends again what may have been lost with the last one. */
  connected(): void {
    const again = new Set([...this.#unsent, ...this.#sent.values()]);
    this.#unsent.clear();
    this.#sent.clear();
    for (const request of again) this.#send(request);
  }

  /** All that wait fail with `error`. */
  close(error: IotkitError): void {
    for (const request of [...this.#unsent, ...this.#sent.values()]) request.reject(error);
  }

  #send(request: PendingRequest): void {
    const id = this.#sendNow(request.module);
    if (typeof id === 'string') {
      this.#sent.set(id, request);
      return;
    }
    const error = IotkitError.fromErrno(id);
    if (error.code === 'ERR_NOT_CONNECTED') this.#unsent.add(request);
    else request.reject(error);
  }

  #forget(request: PendingRequest): void {
    this.#unsent.delete(request);
    for (const [id, other] of this.#sent) {
      if (other === request) this.#sent.delete(id);
    }
  }
}
