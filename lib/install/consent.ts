// Tested by test/unit/install/agent.test.ts
/** A user's consent to an update: asked for by an event, answered whenever the user likes. */
import { IotkitError } from '../base/errors';
import { abortable } from '../base/signals';
import type { UpdateEntry } from './record';

/** A question to the user, which the event `consent` hands out. The first answer counts. */
export interface ConsentRequest {
  /** What follows: the download, or the installation of what has been downloaded. */
  readonly step: 'download' | 'install';
  /** `''`: the default module. */
  readonly module: string;
  /** The version it would be updated to. */
  readonly version: string;
  /** The version that runs; `''`: not known. */
  readonly from: string;
  /** Bytes of the image. */
  readonly size: number;
  /** The update goes on. */
  accept(): void;
  /** It has failed, for the platform too, which gets the reason. */
  refuse(reason?: string): void;
}

/** @internal The questions that have no answer yet. */
export class Consents {
  readonly #waiting = new Set<ConsentRequest>();

  /** Those who listen late hear of them too. */
  get waiting(): readonly ConsentRequest[] {
    return [...this.#waiting];
  }

  /** Resolves when the user has accepted. */
  async ask(
    step: ConsentRequest['step'],
    { module, version, from, size }: UpdateEntry,
    emit: (request: ConsentRequest) => void,
    signal: AbortSignal,
  ): Promise<void> {
    let request: ConsentRequest | undefined;
    const answer = new Promise<void>((resolve, reject) => {
      const refuse = (reason = 'the user has refused it'): void =>
        reject(new IotkitError('ERR_ABORTED', reason));
      request = { step, module, version, from, size, accept: () => resolve(), refuse };
    });
    if (request === undefined) return;
    this.#waiting.add(request);
    emit(request);
    try {
      await abortable(answer, signal);
    } finally {
      this.#waiting.delete(request);
    }
  }
}
