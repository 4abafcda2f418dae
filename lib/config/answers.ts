// Tested by test/unit/config/remote-config.test.ts
/** The answers to pushes. */
import { IotkitError } from '../base/errors';

/** Hands an answer to the connection: 0, or a negative error. */
type SendAnswer = (pushId: string, code: number, message: string) => number;

interface Answer {
  readonly pushIds: readonly string[];
  readonly code: number;
  readonly message: string;
  readonly resolve: () => void;
  readonly reject: (error: IotkitError) => void;
}

/** Sends answers; those that come while there is no connection go with the next one. */
export class ConfigAnswers {
  readonly #sendNow: SendAnswer;
  #unsent: Answer[] = [];

  constructor(sendNow: SendAnswer) {
    this.#sendNow = sendNow;
  }

  /** Resolves when the connection has it; throws IotkitError ERR_CLOSED, ERR_QUEUE_FULL. */
  send(pushIds: readonly string[], code: number, message: string): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#send({ pushIds, code, message, resolve, reject }),
    );
  }

  connected(): void {
    for (const answer of this.#unsent.splice(0)) this.#send(answer);
  }

  close(error: IotkitError): void {
    for (const answer of this.#unsent.splice(0)) answer.reject(error);
  }

  #send(answer: Answer): void {
    const { pushIds, code, message } = answer;
    const errno = pushIds.map((id) => this.#sendNow(id, code, message)).find((rc) => rc < 0);
    if (errno === undefined) {
      answer.resolve();
      return;
    }
    const error = IotkitError.fromErrno(errno);
    if (error.code === 'ERR_NOT_CONNECTED') this.#unsent.push(answer);
    else answer.reject(error);
  }
}
