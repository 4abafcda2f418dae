/** Requests that the platform answers on a topic beside theirs, matched by their ids. */
import { IotkitError } from '../base/errors';
import { whenAborted } from '../base/signals';
import type { Message } from './message';
import type { TopicSubscription } from './subscription-feed';

/** What a request says, besides its id: `params`, `method` and what else its topic defines. */
export type RequestBody = Readonly<Record<string, unknown>>;

/** The platform's answer. */
export interface Reply {
  /** That of the request. */
  readonly id: string;
  /** 200; others are rejected. */
  readonly code: number;
  /** The platform's words for it; `''`: none. */
  readonly message: string;
  /** What was asked for, if anything; nothing of it is checked. */
  readonly data: unknown;
}

/** What it needs of its device's messages. */
export interface RequestsHost {
  readonly subscribe: (topic: string) => Promise<TopicSubscription>;
  readonly publish: (topic: string, payload: string) => Promise<void>;
}

interface Pending {
  readonly topic: string;
  readonly settle: (outcome: Reply | IotkitError) => void;
}

/** The OTA's own messages count from 1, and some of their topics can be asked here as well. */
const FIRST_ID = 2_000_000_000;
const OK = 200;

/** Those of a device. A topic of replies is subscribed with its first request, and stays so. */
export class Requests {
  readonly #host: RequestsHost;
  readonly #replies = new Map<string, Promise<unknown>>();
  readonly #pending = new Map<string, Pending>();
  #lastId = FIRST_ID;

  constructor(host: RequestsHost) {
    this.#host = host;
  }

  /** Rejects with `ERR_TIMEOUT`, `ERR_NOTICE_CODE`, the errors of its messages, the signal's reason. */
  send(
    topic: string,
    replyTopic: string,
    body: RequestBody,
    timeoutMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Reply> {
    const id = String(++this.#lastId);
    const payload = JSON.stringify({ version: '1.0', ...body, id });
    return new Promise((resolve, reject) => {
      const end = (): void => {
        this.#pending.delete(id);
        clearTimeout(timer);
        stop();
      };
      const fail = (reason: unknown): void => {
        end();
        reject(reason);
      };
      const late = (): void =>
        fail(new IotkitError('ERR_TIMEOUT', `no reply on ${replyTopic} within ${timeoutMs} ms`));
      const timer = setTimeout(late, timeoutMs);
      const stop = whenAborted(signal, fail);
      const settle = (outcome: Reply | IotkitError): void => {
        if (IotkitError.isIotkitError(outcome)) {
          fail(outcome);
          return;
        }
        end();
        resolve(outcome);
      };
      this.#pending.set(id, { topic: replyTopic, settle });
      this.#listen(replyTopic)
        .then(() => (this.#pending.has(id) ? this.#host.publish(topic, payload) : undefined))
        .catch(fail);
    });
  }

  close(error: IotkitError): void {
    for (const { settle } of this.#pending.values()) settle(error);
  }

  #listen(topic: string): Promise<unknown> {
    const listening = this.#replies.get(topic) ?? this.#subscribe(topic);
    this.#replies.set(topic, listening);
    return listening;
  }

  async #subscribe(topic: string): Promise<void> {
    try {
      const replies = await this.#host.subscribe(topic);
      void this.#read(topic, replies);
    } catch (error) {
      this.#replies.delete(topic);
      throw error;
    }
  }

  /** Until the device closes, or the broker refuses the topic after another connect. */
  async #read(topic: string, replies: TopicSubscription): Promise<void> {
    try {
      for await (const message of replies) this.#onReply(topic, message);
    } catch (error) {
      this.#replies.delete(topic);
      for (const pending of this.#pending.values()) {
        if (pending.topic === topic) pending.settle(error as IotkitError);
      }
    }
  }

  #onReply(topic: string, message: Message): void {
    const reply = parse(message);
    const pending = this.#pending.get(String(reply?.id));
    if (reply === undefined || pending?.topic !== topic) return;
    const code = Number(reply.code ?? OK);
    const words = typeof reply.message === 'string' ? reply.message : '';
    if (code !== OK) {
      pending.settle(new IotkitError('ERR_NOTICE_CODE', `${code} ${words}`.trimEnd()));
    } else {
      pending.settle({ id: String(reply.id), code, message: words, data: reply.data });
    }
  }
}

/** undefined: it is no JSON object, so nobody's reply. */
function parse(message: Message): Readonly<Record<string, unknown>> | undefined {
  try {
    const value = message.json();
    return typeof value === 'object' && value !== null ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}
