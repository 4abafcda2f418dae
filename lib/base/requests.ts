// Tested by test/unit/ota/upgrade-requests.test.ts
/** Requests that wait for their answers, by the ids that the connection gives them. */
import { IotkitError } from './errors';
import { throwIfAborted, whenAborted } from './signals';

/** Sends a request: its id, or a negative error. */
export type SendRequest = () => string | number;

interface PendingRequest<A> {
  readonly send: SendRequest;
  readonly resolve: (answer: A) => void;
  readonly reject: (error: unknown) => void;
}

export interface AskOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Nobody waits for it: it does not keep the process alive. */
  readonly isBackground?: boolean;
}

/** The requests that wait for their answers; sent again after the connection was lost. */
export class Requests<A> {
  /** By request id. */
  readonly #sent = new Map<string, PendingRequest<A>>();
  /** Sent when there is a connection. */
  readonly #unsent = new Set<PendingRequest<A>>();

  /** Resolves with the answer; throws IotkitError ERR_TIMEOUT, what send() returned or refused() said. */
  ask(send: SendRequest, { timeoutMs, signal, isBackground = false }: AskOptions): Promise<A> {
    return new Promise((resolve, reject) => {
      throwIfAborted(signal);
      // Forgotten at once and not when the promise has settled: an answer that comes in between is
      // to nobody, and must be offered.
      const end = (): void => {
        clearTimeout(timer);
        stopListening();
        this.#forget(request);
      };
      const request: PendingRequest<A> = {
        send,
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
      if (isBackground) timer.unref?.();
      const stopListening = whenAborted(signal, request.reject);
      this.#send(request);
    });
  }

  /** An answer has come; returns false if it answers no request of ours. */
  answered(id: string, answer: A): boolean {
    const request = this.#sent.get(id);
    request?.resolve(answer);
    return request !== undefined;
  }

  /** The platform refused the request, or this side the answer; returns false as answered() does. */
  refused(id: string, error: IotkitError): boolean {
    const request = this.#sent.get(id);
    request?.reject(error);
    return request !== undefined;
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

  #send(request: PendingRequest<A>): void {
    const id = request.send();
    if (typeof id === 'string') {
      this.#sent.set(id, request);
      return;
    }
    const error = IotkitError.fromErrno(id);
    if (error.code === 'ERR_NOT_CONNECTED') this.#unsent.add(request);
    else request.reject(error);
  }

  #forget(request: PendingRequest<A>): void {
    this.#unsent.delete(request);
    for (const [id, other] of this.#sent) {
      if (other === request) this.#sent.delete(id);
    }
  }
}
