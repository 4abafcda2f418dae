// Tested by test/unit/install/agent-together.test.ts and agent-deltas.test.ts
/** What becomes of announced upgrades until their images are installed: gathered, refused, written down, fetched. */
import type { IotkitError } from '../base/errors';
import { throwIfAborted, whenAborted } from '../base/signals';
import { failureStep } from '../download/reporter';
import type { Upgrade } from '../ota/upgrade';
import { Replaced } from './gate';
import { isSame, type Member } from './member';
import { isUnderWay, type UpdateEntry } from './record';
import { descOf, moduleOption, reasonOf } from './reports';
import type { Failure, Round } from './round';
import type { UpdateHost } from './update-host';

/** @internal By module. */
export type Offered = ReadonlyMap<string, Upgrade>;

/** @internal */
export class Offer {
  readonly #round: Round;
  readonly #host: UpdateHost;

  constructor(round: Round, host: UpdateHost) {
    this.#round = round;
    this.#host = host;
  }

  /** Those that are still to be done; of modules that are updated together, all there are. */
  async wanted(offered: Offered): Promise<Offered> {
    const upgrades = new Map<string, Upgrade>();
    for (const member of this.#round.members) {
      const upgrade = await this.#stillWanted(member, offered.get(member.module));
      if (upgrade !== undefined) upgrades.set(member.module, upgrade);
    }
    if (this.#round.members.length > 1 && upgrades.size > 0) await this.#gather(upgrades);
    return upgrades;
  }

  /**
   * What came while the end of the same update had not been reported may be the notice of before:
   * the platform is asked.
   */
  async #stillWanted(
    { module, entry }: Member,
    upgrade: Upgrade | undefined,
  ): Promise<Upgrade | undefined> {
    // One that was deferred or rejected after it had been announced: it would fail for ever.
    if (upgrade?.isWanted !== true) return undefined;
    if (entry === undefined) return upgrade;
    if (isUnderWay(entry) || !isSame(entry, upgrade)) return upgrade;
    return this.#host.reports.check(module);
  }

  /** Asks for the upgrades of the other modules, which may be announced a little later. */
  async #gather(upgrades: Map<string, Upgrade>): Promise<void> {
    const { images, reports } = this.#host;
    const going = this.#round.going();
    const missing = this.#round.modules.filter((module) => !upgrades.has(module));
    if (going.length === 0 && missing.length > 0) await this.#awaitOffer(missing);
    for (const { module, entry } of this.#round.members) {
      const isGoing = entry !== undefined && isUnderWay(entry);
      if (upgrades.has(module) || (going.length > 0 && !isGoing)) continue;
      if (isGoing && (!lacksSlot(entry) || (await images.has(entry)))) continue;
      const upgrade = await reports.check(module);
      if (upgrade !== undefined) upgrades.set(module, upgrade);
      else if (isGoing) await this.#round.sentence(withdrawn(entry));
    }
  }

  /** For as long as may be, or until all of them have been announced. */
  async #awaitOffer(modules: readonly string[]): Promise<void> {
    const { clock, gatherMs, offered, signal } = this.#host;
    const ending = new AbortController();
    const stop = whenAborted(signal, (reason) => ending.abort(reason));
    const waits = [clock.sleep(gatherMs, ending.signal), offered(modules, ending.signal)];
    for (const wait of waits) wait.catch(() => {});
    try {
      await Promise.race(waits);
    } finally {
      stop();
      ending.abort();
    }
  }

  /**
   * Writes down what is new among these, and fetches what is not installed while it comes.
   *
   * @returns whether there is something to drive
   */
  async begin(upgrades: Offered): Promise<boolean> {
    // What the next start takes, or what runs, comes to its end first.
    if (this.#round.going().some(({ phase }) => phase === 'activated' || phase === 'trial'))
      return true;
    const isNew = ({ entry }: Member, upgrade: Upgrade): boolean =>
      entry === undefined || !isUnderWay(entry) || !isSame(entry, upgrade);
    const fresh = this.#round.members.flatMap((member) => {
      const upgrade = upgrades.get(member.module);
      return upgrade !== undefined && isNew(member, upgrade) ? [{ member, upgrade }] : [];
    });
    if (fresh.length > 0 && !(await this.#mayBegin(fresh))) return this.#isSentenced();
    const entries = await Promise.all(fresh.map(({ member, upgrade }) => member.newEntry(upgrade)));
    // What a power cut leaves of several is still all of them.
    if (this.#round.members.length > 1 && entries.length > 0) await this.#round.putAll(entries);
    const all =
      this.#round.members.length > 1
        ? this.#round.going()
        : [...entries, ...this.#round.going()].slice(0, 1);
    for (const entry of all) {
      const upgrade = upgrades.get(entry.module);
      if (upgrade === undefined || entry.reason !== '') continue;
      if (!(await this.#fetchOrFail(entry, upgrade))) return this.#isSentenced();
    }
    return true;
  }

  /** One of several has failed: the others have to end. */
  #isSentenced(): boolean {
    return this.#round.going().some(({ reason }) => reason !== '');
  }

  /** All of them, or none. */
  async #mayBegin(fresh: readonly { member: Member; upgrade: Upgrade }[]): Promise<boolean> {
    const refusals = new Map<Member, IotkitError>();
    for (const { member, upgrade } of fresh) {
      const refusal = await member.refusalOf(upgrade);
      if (refusal !== undefined) refusals.set(member, refusal);
    }
    const [first] = refusals;
    if (first === undefined) return true;
    const [{ module }, because] = first;
    const others = `module ${moduleOption(module)}: ${reasonOf(because)}`;
    for (const { member, upgrade } of fresh) {
      const refusal = refusals.get(member);
      if (refusal === undefined) await upgrade.fail(descOf(others));
      else await this.#refuse(upgrade, refusal);
    }
    if (this.#round.members.length > 1)
      await this.#round.sentence({ culprit: undefined, reason: others });
    return false;
  }

  async #refuse(upgrade: Upgrade, refusal: IotkitError): Promise<void> {
    await upgrade.reject(descOf(refusalText(refusal)));
    this.#host.onError(refusal);
    if (refusal.code === 'ERR_DELTA_BASE') this.#round.failedDelta = upgrade;
  }

  /** Whether it goes on with this one. */
  async #fetchOrFail(entry: UpdateEntry, upgrade: Upgrade): Promise<boolean> {
    const { onError, signal } = this.#host;
    try {
      await this.#fetch(entry, upgrade);
      return true;
    } catch (error) {
      throwIfAborted(signal);
      if (error instanceof Replaced) return false;
      onError(error);
      this.#round.noteDelta(error, upgrade);
      // A download reports its own failure.
      const isReported = upgrade.state.phase === 'failed';
      if (this.#round.members.length > 1) {
        const reason = reasonOf(error);
        const step = failureStep(error);
        await this.#round.sentence({ culprit: entry, reason, step, isReported });
      } else {
        if (!isReported) await upgrade.fail(descOf(reasonOf(error)));
        await this.#round.notFetched(entry, error);
      }
      return false;
    }
  }

  /** Unless the installer takes the image while it comes. */
  async #fetch(entry: UpdateEntry, upgrade: Upgrade): Promise<void> {
    const { images } = this.#host;
    const member = this.#round.member(entry);
    const isAnnounced = entry.phase === 'announced';
    if (!lacksSlot(entry) || (!isAnnounced && (await images.has(entry)))) return;
    if (isAnnounced) await this.#round.gate.mayDownload(entry);
    if (!member.streams(entry)) {
      const downloaded = await this.#round.gate.unlessReplaced([entry], (signal) => {
        return member.download(entry, upgrade, signal);
      });
      await this.#round.put(downloaded);
    } else if (isAnnounced) await this.#round.put({ ...entry, phase: 'installing' });
  }
}

/** Whether it is still to be installed. */
function lacksSlot({ phase }: UpdateEntry): boolean {
  return phase === 'announced' || phase === 'downloaded' || phase === 'installing';
}

function withdrawn(culprit: UpdateEntry): Failure {
  const reason = `the upgrade to ${culprit.version} is no longer offered`;
  return { culprit, reason, isReported: true };
}

/** Without the code where the text says all. */
function refusalText(refusal: IotkitError): string {
  return refusal.code === 'ERR_VERSION_REFUSED' ? refusal.detail : reasonOf(refusal);
}
