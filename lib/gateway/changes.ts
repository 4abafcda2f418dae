// Tested by test/unit/gateway/changes.test.ts
/** What the platform says about sub-devices, in the order in which it comes. */
import { abortSignal, options as checkOptions } from '../base/arguments';
import { IotkitError } from '../base/errors';
import { Feed, type Iteration } from '../base/feed';
import { Fifo } from '../messaging/fifo';
import type { SubDeviceName } from './arguments';

/**
 * - `created`: the topology has it now
 * - `deleted`: from the topology or the platform. It is not logged in again
 * - `disabled`: by the operator. It is offline until it is enabled again
 * - `enabled`: again. One that was logged in is logged in by itself
 * - `kicked`: the same device has logged in elsewhere. It is not logged in again by itself
 * - `wanted`: the operator asks the gateway to add it to the topology and to log it in
 */
export type TopologyChangeType =
  | 'created'
  | 'deleted'
  | 'disabled'
  | 'enabled'
  | 'kicked'
  | 'wanted';

/** Something that the platform says about a sub-device, whether or not this program knows it. */
export interface TopologyChange extends SubDeviceName {
  /** What has happened. */
  readonly type: TopologyChangeType;
}

/** What {@link Gateway.changes} takes. */
export interface TopologyChangesOptions {
  /** Ends the iteration by throwing its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** An iteration with so many that nobody takes is given up. */
const MAX_WAITING = 10_000;

interface View {
  readonly waiting: Fifo<TopologyChange>;
  readonly feed: Feed<TopologyChange>;
}

/** @internal */
export class Changes {
  readonly #views = new Set<View>();
  #isClosed = false;

  open(options: TopologyChangesOptions | undefined): Iteration<TopologyChange> {
    const { signal } = checkOptions('options', options, ['signal']);
    const waiting = new Fifo<TopologyChange>();
    const feed = new Feed<TopologyChange>({
      take: () => waiting.shift(),
      detach: () => this.#views.delete(view),
      signal: abortSignal('signal', signal),
    });
    const view: View = { waiting, feed };
    this.#views.add(view);
    if (this.#isClosed) feed.end();
    return feed;
  }

  push(change: TopologyChange): void {
    for (const { waiting, feed } of [...this.#views]) {
      waiting.push(change);
      feed.wake();
      if (waiting.length > MAX_WAITING) {
        feed.fail(new IotkitError('ERR_QUEUE_FULL', `${MAX_WAITING} changes of the topology wait`));
      }
    }
  }

  close(): void {
    this.#isClosed = true;
    for (const { feed } of [...this.#views]) feed.end();
  }
}
