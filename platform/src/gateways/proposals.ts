// Tested by platform/test/gateways/gateways.test.ts

import type { Clock } from '../base/clock';
import { deviceId } from '../devices/names';
import { type PushReply, parsePushReply } from '../protocol/config-messages';
import type { Connections } from '../protocol/connections';
import { permitPayload, proposalPayload } from '../protocol/gateway-messages';
import { permitTopic, proposalTopic } from '../protocol/gateway-topics';
import { BadMessage } from '../protocol/messages';
import type { DeviceKey } from '../types/device';

/** What a gateway said to being asked to add sub-devices, or to let some join. */
export interface GatewayProposal {
  /** `offline`: not connected, or not subscribed. `unanswered`: the time was up. */
  readonly state: 'accepted' | 'refused' | 'offline' | 'unanswered';
  readonly code?: number;
  readonly message?: string;
}

interface Awaited {
  readonly gateway: string;
  readonly answer: (reply: PushReply) => void;
}

interface Dependencies {
  readonly clock: Clock;
  readonly connections: Connections;
  /** Aborted when the platform closes. */
  readonly closing: AbortSignal;
  readonly nextId: () => string;
}

/**
 * Asks gateways to add sub-devices themselves, which takes the sub-devices' secrets, and to let devices
 * join.
 */
export class Proposals {
  readonly #deps: Dependencies;
  readonly #awaited = new Map<string, Awaited>();

  constructor(deps: Dependencies) {
    this.#deps = deps;
  }

  /** Resolves with the gateway's answer, or when the time is up. Rejects with ERR_CLOSED. */
  propose(
    gateway: DeviceKey,
    subs: readonly DeviceKey[],
    timeoutMs: number,
  ): Promise<GatewayProposal> {
    return this.#ask(gateway, proposalTopic(gateway), timeoutMs, (id) => proposalPayload(id, subs));
  }

  /** As `propose`: devices of a product may join for so many seconds. */
  permit(
    gateway: DeviceKey,
    productKey: string,
    seconds: number,
    timeoutMs: number,
  ): Promise<GatewayProposal> {
    const write = (id: string): string => permitPayload(id, productKey, seconds);
    return this.#ask(gateway, permitTopic(gateway), timeoutMs, write);
  }

  async #ask(
    gateway: DeviceKey,
    topic: string,
    timeoutMs: number,
    write: (id: string) => string,
  ): Promise<GatewayProposal> {
    const { clock, connections, closing, nextId } = this.#deps;
    closing.throwIfAborted();
    if (!connections.canReceive(gateway, topic)) return { state: 'offline' };
    const id = nextId();
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        this.#awaited.delete(id);
        timer.cancel();
        closing.removeEventListener('abort', abort);
        settle();
      };
      const abort = (): void => end(() => reject(closing.reason));
      const timer = clock.at(clock.now() + timeoutMs, () =>
        end(() => resolve({ state: 'unanswered' })),
      );
      closing.addEventListener('abort', abort);
      this.#awaited.set(id, {
        gateway: deviceId(gateway),
        answer: ({ code, message }) => {
          const state = code === 200 ? 'accepted' : 'refused';
          end(() => resolve({ state, code, ...(message !== undefined && { message }) }));
        },
      });
      connections.send(topic, write(id), 1);
    });
  }

  /** Throws a BadMessage for an answer to nothing. */
  answered(gateway: DeviceKey, payload: Buffer): void {
    const reply = parsePushReply(payload);
    const awaited = this.#awaited.get(reply.id);
    if (awaited === undefined || awaited.gateway !== deviceId(gateway)) {
      throw new BadMessage('there is no proposal with this id that awaits an answer', reply.id);
    }
    awaited.answer(reply);
  }
}
