/** Questions to the platform: is there an upgrade for a module? */
import { IotkitError } from './errors';
import { whenAborted } from './signals';
import type { Upgrade } from './upgrade';

/** Sends a question: its id, or a negative error. */
export type Request = (module: string) => string | number;

interface Check {
  readonly module: string;
  readonly resolve: (answer: Upgrade | undefined) => void;
  readonly reject: (error: unknown) => void;
}

/** The questions that are waiting for their answers; asked again after a drop. */
export class Checks {
  readonly #request: Request;
  /** By request id. */
  readonly #sent = new Map<string, Check>();
  /** To be sent with the next connection. */
  readonly #unsent = new Set<Check>();

  constructor(request: Request) {
    this.#request = request;
  }

  /** @throws IotkitError ERR_TIMEOUT, ERR_QUEUE_FULL, what refused the answer; the signal's reason. */
  ask(
    module: string,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Upgrade | undefined> {
    let check: Check | undefined;
    let timer: NodeJS.Timeout | undefined;
    let stopListening: () => void = () => {};
    const answer = new Promise<Upgrade | undefined>((resolve, reject) => {
      check = { module, resolve, reject };
      const late = `the platform did not answer within ${timeoutMs} ms`;
      timer = setTimeout(() => reject(new IotkitError('ERR_TIMEOUT', late)), timeoutMs);
      stopListening = whenAborted(signal, () => reject(signal?.reason));
      this.#send(check);
    });
    return answer.finally(() => {
      clearTimeout(timer);
      stopListening();
      if (check !== undefined) this.#forget(check);
    });
  }

  /** An answer has come; false: to no question of ours. */
  answered(id: string, answer: Upgrade | undefined): boolean {
    const check = this.#sent.get(id);
    check?.resolve(answer);
    return check !== undefined;
  }

  /** The answer was refused, by either side. */
  refused(id: string, error: IotkitError): void {
    this.#sent.get(id)?.reject(error);
  }

  /** What a drop may have swallowed is asked again. */
  connected(): void {
    const again = new Set([...this.#unsent, ...this.#sent.values()]);
    this.#unsent.clear();
    this.#sent.clear();
    for (const check of again) this.#send(check);
  }

  close(error: IotkitError): void {
    for (const check of [...this.#unsent, ...this.#sent.values()]) check.reject(error);
  }

  #send(check: Check): void {
    const id = this.#request(check.module);
    if (typeof id === 'string') {
      this.#sent.set(id, check);
      return;
    }
    const error = IotkitError.fromErrno(id);
    if (error.code === 'ERR_NOT_CONNECTED') this.#unsent.add(check);
    else check.reject(error);
  }

  #forget(check: Check): void {
    this.#unsent.delete(check);
    for (const [id, other] of this.#sent) {
      if (other === check) this.#sent.delete(id);
    }
  }
}
