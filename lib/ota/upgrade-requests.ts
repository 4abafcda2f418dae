/** Requests to the platform: is there an upgrade for a module? */
import { Requests } from '../base/requests';
import type { Upgrade } from './upgrade';

/** Sends a request: its id, or a negative error. */
export type SendRequest = (module: string) => string | number;

/** The requests that wait for an upgrade, or for undefined: there is none. */
export class UpgradeRequests extends Requests<Upgrade | undefined> {
  readonly #sendNow: SendRequest;

  constructor(sendNow: SendRequest) {
    super();
    this.#sendNow = sendNow;
  }

  /** As Requests.ask(), for a module. */
  askFor(
    module: string,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Upgrade | undefined> {
    return this.ask(() => this.#sendNow(module), { timeoutMs, signal });
  }

  /** Asks for nobody, so that the answer is offered. Returns the request's id; undefined: not sent. */
  askForNobody(module: string): string | undefined {
    const id = this.#sendNow(module);
    return typeof id === 'string' ? id : undefined;
  }
}
