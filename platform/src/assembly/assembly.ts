// Tested by platform/test/platform.test.ts
//
// assembly/: puts the rooms together. options.ts checks what the caller wants, state-directory.ts
// opens what is kept, rooms.ts makes the objects of the rooms, entrances.ts opens ports and
// broker, shutdown.ts closes all of it. Imports every room but cli and types.

import { Events } from '../events/events';
import { Entrances } from './entrances';
import type { Health } from './health';
import type { Settings } from './options';
import { makeRooms, type Rooms } from './rooms';
import { Shutdown } from './shutdown';
import { openStateDirectory, type StateDirectory, stateError } from './state-directory';

/** A platform that runs. */
export interface Assembly
  extends Pick<
    Rooms,
    | 'addresses'
    | 'devices'
    | 'products'
    | 'registrations'
    | 'authorities'
    | 'certificates'
    | 'gateways'
    | 'firmware'
    | 'upgrades'
    | 'configs'
    | 'logs'
    | 'messages'
    | 'faults'
  > {
  readonly events: Events;
  readonly ca: string;
  readonly operatorToken: string;
  readonly stateDir: string;
  readonly health: () => Health;
  /** Once. */
  readonly close: () => Promise<void>;
}

/** Resolves when everything listens; rejects when something cannot, and then nothing stays open. */
export async function assemble(settings: Settings): Promise<Assembly> {
  const events = new Events(settings.clock);
  const shutdown = new Shutdown(events);
  try {
    const state = await openStateDirectory(settings, shutdown);
    const rooms = await makeRooms(settings, events, state, shutdown);
    for (const fault of settings.faults) rooms.faults.set(fault);
    const health = (): Health => ({
      state: state.store.health,
      broker: rooms.connections.health,
      problems: state.problems.list,
    });
    await new Entrances(settings, events, rooms, shutdown, health).open(state);
    reportState(events, state);
    const { operatorToken, path: stateDir } = state;
    const close = (): Promise<void> => shutdown.run();
    return { ...rooms, events, ca: state.identity.ca, operatorToken, stateDir, health, close };
  } catch (error) {
    // What cannot be closed either says less than why it did not start.
    await shutdown.run().catch(() => undefined);
    throw stateError(error, settings.stateDir);
  }
}

/** What was found at the start is reported once whoever started it had the time to listen. */
function reportState(events: Events, { store, problems }: StateDirectory): void {
  store.onHealth((health) => events.emit('state-health', health));
  setImmediate(() => {
    for (const problem of problems.list) events.emit('state-problem', problem);
    problems.onReport((problem) => events.emit('state-problem', problem));
  });
}
