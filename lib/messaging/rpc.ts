/** Calls of the platform (RRPC), each answered by a handler of the program. */
import { callBack } from '../base/listeners';
import type { Payload } from './arguments';
import type { Message } from './message';
import type { TopicSubscription } from './subscription-feed';

/** A call that waits for its answer: the message, and its id. */
export interface RpcCall extends Message {
  /** Of the call, as the platform has made it. */
  readonly id: string;
}

/** Answers a call; what it returns is the payload of the answer. */
export type RpcHandler = (call: RpcCall) => Payload | Promise<Payload>;

/** What calls come to, and where their answers go. */
export interface RpcTopics {
  readonly filter: string;
  readonly idOf: (topic: string) => string;
  readonly answerTo: (topic: string) => string;
}

/** Calls to the device itself: `/sys/{productKey}/{deviceName}/rrpc/request/{id}`. */
export function systemCalls(productKey: string, deviceName: string): RpcTopics {
  const prefix = `/sys/${productKey}/${deviceName}/rrpc/`;
  return {
    filter: `${prefix}request/+`,
    idOf: (topic) => topic.slice(`${prefix}request/`.length),
    answerTo: (topic) => `${prefix}response/${topic.slice(`${prefix}request/`.length)}`,
  };
}

/** Calls to a topic: `/ext/rrpc/{id}` and the topic, answered where they came. */
export function callsTo(topic: string): RpcTopics {
  return {
    filter: `/ext/rrpc/+${topic}`,
    idOf: (called) => called.split('/')[3] ?? '',
    answerTo: (called) => called,
  };
}

/** So many ids are remembered. */
const REMEMBERED = 1_000;

/**
 * Answers the calls that come until the subscription ends. Each id is answered once: a call may be
 * delivered twice, and the answer to one on a topic of its own may come back as a call. Rejects as the
 * iteration does.
 */
export async function answerCalls(
  calls: TopicSubscription,
  { idOf, answerTo }: RpcTopics,
  handler: RpcHandler,
  answer: (topic: string, payload: Payload) => Promise<void>,
): Promise<void> {
  const known = new Set<string>();
  for await (const message of calls) {
    const id = idOf(message.topic);
    if (known.has(id)) continue;
    known.add(id);
    if (known.size > REMEMBERED) for (const oldest of known) if (known.delete(oldest)) break;
    // One that takes long does not keep the others waiting.
    void call(new Call(message, id), handler, (payload) =>
      answer(answerTo(message.topic), payload),
    );
  }
}

/** What the handler throws is an uncaught exception; the caller gets no answer then. */
async function call(
  called: RpcCall,
  handler: RpcHandler,
  answer: (payload: Payload) => Promise<void>,
): Promise<void> {
  try {
    await answer(await handler(called));
  } catch (error) {
    callBack(() => {
      throw error;
    }, undefined);
  }
}

class Call implements RpcCall {
  readonly id: string;
  readonly #message: Message;

  constructor(message: Message, id: string) {
    this.#message = message;
    this.id = id;
  }

  get topic(): string {
    return this.#message.topic;
  }

  get payload(): Uint8Array {
    return this.#message.payload;
  }

  get qos(): Message['qos'] {
    return this.#message.qos;
  }

  get retain(): boolean {
    return this.#message.retain;
  }

  get dup(): boolean {
    return this.#message.dup;
  }

  text(): string {
    return this.#message.text();
  }

  json<T = unknown>(): T {
    return this.#message.json<T>();
  }
}
