// Tested by test/unit/install/power-cuts-together.test.ts and agent-together.test.ts
/**
 * Modules that are updated together, or one alone: what the steps of their update share, and how all of
 * them go back. What all of them must know at once is written at once.
 */
import { IotkitError } from '../base/errors';
import { throwIfAborted } from '../base/signals';
import { failureStep } from '../download/reporter';
import type { Upgrade } from '../ota/upgrade';
import type { CheckedModule } from './agent-options';
import type { RoundDecision } from './decide';
import { Gate } from './gate';
import { Member } from './member';
import { beginning, hasNewSlot, isUnderWay, type UpdateEntry } from './record';
import { moduleOption, reasonOf } from './reports';
import type { UpdateHost } from './update-host';

/** @internal Whether the machine is about to restart, so that nothing more is begun. */
export type Outcome = 'idle' | 'restarting';

/** @internal Why an update comes to nothing. */
export interface Failure {
  /** The entry it is of; undefined: of all. */
  readonly culprit: UpdateEntry | undefined;
  readonly reason: string;
  /** What the platform hears. Default -1. */
  readonly step?: number;
  /** Whether it has heard it of the culprit already. */
  readonly isReported?: boolean;
}

/** @internal Between two tries of an installer that is busy, too slow, or does not start its service. */
export const RETRY_MS = 30_000;

/** @internal */
export class Round {
  readonly members: readonly Member[];
  readonly gate: Gate;
  /** A difference has failed that was not for what runs. */
  failedDelta: Upgrade | undefined;
  readonly #host: UpdateHost;

  constructor(modules: readonly CheckedModule[], host: UpdateHost) {
    this.members = modules.map((module) => new Member(module, host));
    this.gate = new Gate({
      ...host,
      heldMs: () => Math.max(0, ...this.going().map(({ heldMs }) => heldMs)),
      noteHeld: (entry, heldMs) => this.#noteHeld(entry, heldMs),
    });
    this.#host = host;
  }

  get modules(): readonly string[] {
    return this.members.map(({ module }) => module);
  }

  /** The entries of those that have not ended, in their order. */
  going(): readonly UpdateEntry[] {
    return this.members.flatMap(({ entry }) => {
      return entry !== undefined && isUnderWay(entry) ? [entry] : [];
    });
  }

  member({ module }: Pick<UpdateEntry, 'module'>): Member {
    return this.members.find((member) => member.module === module) as Member;
  }

  /** An entry as the record has it now. */
  latest<E extends Pick<UpdateEntry, 'module'>>(entry: E): UpdateEntry {
    return this.member(entry).entry as UpdateEntry;
  }

  /** A disk that is full does not end the wait: what was not written is counted until the agent ends. */
  async #noteHeld({ module }: UpdateEntry, heldMs: number): Promise<void> {
    const { record, onError } = this.#host;
    const entry = record.entry(module);
    if (entry !== undefined) await record.put({ ...entry, heldMs }).catch(onError);
  }

  async states(entries: readonly UpdateEntry[]): Promise<Awaited<ReturnType<Member['runs']>>[]> {
    const states: Awaited<ReturnType<Member['runs']>>[] = [];
    for (const entry of entries) states.push(await this.member(entry).runs());
    return states;
  }

  /** Whether the next start takes the slot of one of them. */
  async isNext(entries: readonly UpdateEntry[]): Promise<boolean> {
    for (const { module, slotTo } of entries) {
      const { next } = await this.member({ module }).installer.status();
      if (next === slotTo) return true;
    }
    return false;
  }

  noteDelta(error: unknown, upgrade: Upgrade | undefined): void {
    if (IotkitError.is(error) && error.code === 'ERR_DELTA_BASE') this.failedDelta = upgrade;
  }

  /** A restart of the machine is one of all its services. */
  async restartMachine(entries: readonly UpdateEntry[]): Promise<boolean> {
    const members = entries.map((entry) => this.member(entry));
    const ofMachine = members.find(({ installer }) => installer.restarts === 'machine');
    await ofMachine?.installer.reboot({ signal: this.#host.signal });
    return ofMachine !== undefined;
  }

  async afterwards(hook: 'afterConfirm' | 'afterFailure', entry: UpdateEntry): Promise<void> {
    await this.gate.asked(hook, entry).catch((error) => {
      // The agent ends, and the hook with it.
      if (!this.#host.signal.aborted) this.#host.onError(error);
    });
  }

  async put(given: UpdateEntry): Promise<UpdateEntry> {
    const [entry = given] = await this.putAll([given]);
    return entry;
  }

  async putAll(given: readonly UpdateEntry[]): Promise<readonly UpdateEntry[]> {
    const entries = await this.#host.record.putAll(given);
    for (const entry of entries) this.#host.onEntry(entry);
    return entries;
  }

  /** Writes down why none of them stays, before the first of them is changed. */
  async sentence({ culprit, reason, step = -1, isReported = false }: Failure): Promise<void> {
    const others =
      culprit === undefined ? reason : `module ${moduleOption(culprit.module)}: ${reason}`;
    const entries = this.going().filter((entry) => entry.reason === '');
    const sentenced = entries.map((entry) => {
      if (entry.module !== culprit?.module) return { ...entry, reason: others, step: -1 };
      return { ...entry, phase: culprit.phase, reason, step, reported: isReported };
    });
    if (sentenced.length > 0) await this.putAll(sentenced);
  }

  async fail(culprit: UpdateEntry, error: unknown, isReported: boolean): Promise<'on'> {
    const reason = reasonOf(error);
    const step = failureStep(error);
    this.#host.onError(error);
    if (this.going().length === 1)
      return this.#end([{ ...culprit, step, reported: isReported }], reason);
    await this.sentence({ culprit, reason, step, isReported });
    return 'on';
  }

  /** The image of the only one has not come, as the platform has heard. */
  async notFetched(culprit: UpdateEntry, error: unknown): Promise<void> {
    await this.#end([{ ...culprit, step: failureStep(error), reported: true }], reasonOf(error));
  }

  /**
   * Another upgrade was announced in place of one that is not activated: nobody hears of this one. Of several its entry
   * stays, so that a power cut lets none of the others go on without the newer one.
   */
  async giveUp({ module }: UpdateEntry): Promise<'idle'> {
    const { record, images } = this.#host;
    const entry = record.entry(module);
    // One that was not written down has changed nothing.
    if (entry === undefined || !isUnderWay(entry)) return 'idle';
    await this.#unlessNext(entry);
    const { slotFrom, slotTo, attempts, activations } = beginning;
    const unbegun = { slotFrom, slotTo, attempts, activations } as const;
    if (this.members.length > 1) await this.put({ ...entry, ...unbegun, phase: 'announced' });
    else await record.remove(module);
    await images.remove(module);
    await this.#markBad([entry]).catch(this.#host.onError);
    return 'idle';
  }

  /** An installer that activates may have done so before it was ended. */
  async #unlessNext({ module, attempts }: UpdateEntry): Promise<void> {
    const { installer } = this.member({ module });
    if (!installer.activates || attempts === 0) return;
    const { booted, next } = await installer.status();
    if (next !== booted && next !== '') await installer.markBad(next);
  }

  async goBack(back: RoundDecision & { readonly what: 'back' }): Promise<Outcome | 'on'> {
    const { culprit, reason } = back;
    const going = this.going();
    const states = await this.states(going);
    const running = going.filter((entry, i) => {
      return hasNewSlot(entry) && states[i]?.booted === entry.slotTo;
    });
    if (culprit.reason === '' && (running.length > 0 || going.length > 1)) {
      await this.sentence({ culprit, reason });
      return 'on';
    }
    if (running.length === 0) return this.#end(going, reason);
    await this.#markBad(going.filter((entry) => !running.includes(entry)));
    const leaving: UpdateEntry[] = [];
    for (const entry of running) if (await this.#canLeave(entry)) leaving.push(entry);
    if (leaving.length > 0) return this.#restartBack(leaving);
    return 'on';
  }

  /** Those that have not started: nothing starts them any more. */
  async #markBad(entries: readonly UpdateEntry[]): Promise<void> {
    for (const { module, slotTo } of entries.filter(hasNewSlot)) {
      const { installer } = this.member({ module });
      const { slots } = await installer.status();
      const state = slots.find(({ name }) => name === slotTo)?.state ?? 'bad';
      if (state !== 'bad') await installer.markBad(slotTo);
    }
  }

  /** Marks what runs as bad. Where there is nothing to go back to, that is its end. */
  async #canLeave(entry: UpdateEntry): Promise<boolean> {
    const { installer } = this.member(entry);
    try {
      await installer.markBad(entry.slotTo);
      return true;
    } catch (error) {
      throwIfAborted(this.#host.signal);
      const { booted, slots } = await installer.status();
      const canGoBack = slots.some(({ name, state }) => name !== booted && state !== 'bad');
      if (canGoBack) throw error; // tried again: the record has the reason
      const stays = `${entry.reason}; there is nothing to go back to: ${reasonOf(error)}`;
      await this.#end([entry], stays);
      return false;
    }
  }

  /**
   * Until it succeeds: a service that is not started again leaves nothing that runs. One that has left what runs is
   * not asked for again at once: it may be done later than it is asked for, and may be about to end this process.
   */
  async #restartBack(entries: readonly UpdateEntry[]): Promise<Outcome | 'on'> {
    if (await this.restartMachine(entries)) return 'restarting';
    const { clock, signal } = this.#host;
    for (const entry of entries) {
      for (let isStarted = false; !isStarted; ) {
        try {
          await this.member(entry).installer.reboot({ signal });
          isStarted = true;
        } catch (error) {
          throwIfAborted(signal);
          this.#host.onError(error);
          await clock.sleep(RETRY_MS, signal);
        }
      }
    }
    await this.gate.release();
    const states = await this.states(entries);
    const stays = entries.find(({ slotTo }, i) => states[i]?.booted === slotTo);
    if (stays === undefined) return 'on';
    const detail = `${stays.slotTo} still runs after the restart that takes it back`;
    this.#host.onError(new IotkitError('ERR_INSTALL_FAILED', detail));
    await clock.sleep(RETRY_MS, signal);
    return 'on';
  }

  /** It has come to nothing: the slots never start again, and the platform hears of it. */
  async #end(entries: readonly UpdateEntry[], output: string): Promise<'on'> {
    const ended: UpdateEntry[] = [];
    for (const entry of entries) {
      const { installer } = this.member(entry);
      const { booted, next } = await installer.status();
      // An installer that activates may have done so before it failed.
      const isActivated = installer.activates && entry.attempts > 0;
      const slot = entry.slotTo === '' && isActivated ? next : entry.slotTo;
      if (slot !== '' && slot !== booted) await installer.markBad(slot);
      ended.push({
        ...entry,
        phase: endOf(entry, booted),
        reason: entry.reason === '' ? output : entry.reason,
        step: entry.step === 0 ? -1 : entry.step,
        output,
      });
    }
    const put = await this.putAll(ended);
    for (const { module, phase } of entries) {
      // What has come of an image that never was whole is used by its next download.
      if (phase !== 'announced') await this.#host.images.remove(module);
    }
    await this.gate.release();
    for (const entry of put) await this.afterwards('afterFailure', entry);
    return 'on';
  }
}

/** Whether it had been activated. */
function endOf({ phase, slotFrom, slotTo }: UpdateEntry, booted: string): UpdateEntry['phase'] {
  const wasActivated = phase === 'activated' || phase === 'trial';
  return wasActivated && slotTo !== booted && slotFrom === booted ? 'rolledBack' : 'failed';
}
