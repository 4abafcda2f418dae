// Tested by test/integration/device.test.ts
/** The states of a device's connection. */
import { abortSignal, options as checkOptions } from '../base/arguments';
import type { IotkitError } from '../base/errors';
import { Feed, type Iteration } from '../base/feed';

/**
 * - `connecting`: name resolution, TCP, TLS or sign-in is under way
 * - `connected`
 * - `waiting`: dropped or refused; connects again by itself after a back-off
 * - `closing`: `close()` was called
 * - `closed`: final
 */
export type DeviceState = 'connecting' | 'connected' | 'waiting' | 'closing' | 'closed';

/** A change of a device's connection. */
export interface StateChange {
  /** The new state. */
  readonly state: DeviceState;
  /**
   * Why the connection was lost or could not be made, until there is one again; undefined if the
   * change was asked for. While `connected`: why it is of no use, because the broker has refused a
   * subscription (`ERR_MQTT_SUBSCRIBE`) or not answered it (`ERR_TIMEOUT`); it is asked for again
   * with the next connection.
   */
  readonly error: IotkitError | undefined;
  /**
   * Whether somebody has to change something before it works: the device was deleted or its secret
   * is wrong, a certificate is not trusted, a permission is missing. The device tries again all the
   * same, but at the long end of `reconnect`: between half of `max` and the whole.
   */
  readonly needsOperator: boolean;
}

/** What `Device.states()` takes. */
export interface StatesOptions {
  /** Ends the iteration by throwing its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** By `enum iotkit_mqtt_state`. */
export const stateNames: readonly DeviceState[] = [
  'connecting',
  'connecting',
  'connected',
  'waiting',
  'closed',
];

/** A feed of states, and the change it has not handed out yet. */
interface StateView {
  pending: StateChange | undefined;
  readonly feed: Feed<StateChange>;
}

const initial: StateChange = { state: 'connecting', error: undefined, needsOperator: false };

/** @internal The present state of a device, and the iterations over its changes. */
export class States {
  #current = initial;
  /** undefined: there are none. */
  #views: Set<StateView> | undefined;

  get current(): StateChange {
    return this.#current;
  }

  /** As {@link Device.states}. */
  open(options: StatesOptions | undefined): Iteration<StateChange> {
    const { signal } = checkOptions('options', options, ['signal']);
    const views = this.#views ?? new Set();
    this.#views = views;
    const view: StateView = {
      pending: this.#current,
      feed: new Feed<StateChange>({
        take: () => {
          const change = view.pending;
          view.pending = undefined;
          return change;
        },
        detach: () => {
          views.delete(view);
          if (views.size === 0 && this.#views === views) this.#views = undefined;
        },
        signal: abortSignal('signal', signal),
      }),
    };
    views.add(view);
    if (this.#current.state === 'closed') view.feed.end();
    return view.feed;
  }

  enter(state: DeviceState, error: IotkitError | undefined): StateChange {
    const change = { state, error, needsOperator: error?.retryable === false };
    this.#current = change;
    for (const view of this.#views ?? []) {
      view.pending = change;
      if (state === 'closed') view.feed.end();
      else view.feed.wake();
    }
    return change;
  }
}
