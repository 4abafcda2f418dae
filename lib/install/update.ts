// Tested by test/unit/install/agent.test.ts and power-cuts.test.ts
/**
 * The update of one module, or of several together: does what decide.ts says, step by step, until
 * there is nothing to do or the machine restarts. Each step is begun anew after a power cut, in this
 * process or another.
 */
import { IotkitError } from '../base/errors';
import { abortable, throwIfAborted } from '../base/signals';
import type { Upgrade } from '../ota/upgrade';
import type { CheckedModule } from './agent-options';
import { decideTogether, type RoundDecision } from './decide';
import { Replaced } from './gate';
import { prove } from './health';
import { isSame, type Member } from './member';
import { Offer, type Offered } from './offer';
import { isUnderWay, type UpdateEntry } from './record';
import { reasonOf } from './reports';
import { type Failure, type Outcome, RETRY_MS, Round } from './round';
import type { Source } from './source';
import type { UpdateHost } from './update-host';

/** @internal */
export class Update {
  readonly #round: Round;
  readonly #offer: Offer;
  readonly #host: UpdateHost;

  constructor(modules: readonly CheckedModule[], host: UpdateHost) {
    this.#round = new Round(modules, host);
    this.#offer = new Offer(this.#round, host);
    this.#host = host;
  }

  get modules(): readonly string[] {
    return this.#round.modules;
  }

  /** After a start: ends what was begun before it. */
  async resume(): Promise<Outcome> {
    await this.#adopt();
    const before = this.#round.members.map(({ entry }) => entry);
    for (const member of this.#round.members) {
      if (isAsBefore(member.entry)) await member.reportRunning();
    }
    await this.#giveUpReplaced();
    const outcome = await this.#drive(new Map());
    for (const [i, member] of this.#round.members.entries()) {
      if (before[i]?.phase !== 'installing' || member.entry?.phase !== 'installing') continue;
      await member.reportRunning();
    }
    return outcome;
  }

  /** What the boot environment has on trial is on trial, also where the record of it was lost. */
  async #adopt(): Promise<void> {
    if (this.#round.going().length > 0) return;
    const adopted: UpdateEntry[] = [];
    for (const member of this.#round.members) {
      const entry = await member.unrecordedTrial();
      if (entry !== undefined) adopted.push(entry);
    }
    if (adopted.length > 0) await this.#round.putAll(adopted);
  }

  /**
   * What was begun before this start may have been withdrawn meanwhile, and the notice of what took its place may come
   * too late. Where there is no connection nobody can say: it goes on.
   */
  async #giveUpReplaced(): Promise<void> {
    const going = this.#round.going();
    const isTooLate = going.some(({ phase, reason }) => {
      return phase === 'activated' || phase === 'trial' || reason !== '';
    });
    if (isTooLate || (await this.#round.isNext(going))) return;
    for (const entry of going) {
      if (entry.id === '' || !this.#host.vitals.isConnected()) continue;
      if (await this.#host.isReplaced(entry)) await this.#round.giveUp(entry);
    }
  }

  /** What runs and was proven before keeps its tries, however long the rest takes. */
  async keep(): Promise<void> {
    for (const { start } of this.#round.members) await start.keep();
  }

  /**
   * Confirms what has started as soon as it is healthy, as boot loaders count every start. Resolves
   * at once, or where what runs may fall back to the other slot, which must then stay: afterwards.
   */
  async confirmStart(): Promise<void> {
    for (const member of this.#round.members) {
      const { state } = await member.runs();
      member.start.begin();
      if (state !== 'trial') continue;
      await member.start.ended;
      if (isAsBefore(member.entry)) await member.reportRunning();
    }
  }

  /** What there is to do of upgrades that the platform has announced. */
  async take(offered: Offered): Promise<Outcome> {
    for (const { reports } of this.#round.members) await reports.sent;
    const upgrades = await this.#offer.wanted(offered);
    if (upgrades.size === 0) return 'idle';
    if (!(await this.#offer.begin(upgrades))) return this.#takeFull();
    // To confirm what runs could take back what is activated.
    for (const { start } of this.#round.members) await start.stop();
    const outcome = await this.#drive(upgrades);
    if (outcome !== 'idle') return outcome;
    for (const { start } of this.#round.members) start.begin();
    return this.#takeFull();
  }

  /** When the agent ends. */
  async end(): Promise<void> {
    for (const { start, reports } of this.#round.members) {
      await start.stop();
      await reports.sent;
    }
    await this.#round.gate.release();
  }

  /**
   * After a difference that is not for what runs: the platform is told what does, and asked what it
   * has now. No message of the platform's protocol asks for the full image itself.
   */
  async #takeFull(): Promise<Outcome> {
    const failed = this.#round.failedDelta;
    this.#round.failedDelta = undefined;
    const [member] = this.#round.members;
    if (failed === undefined || member === undefined || this.#round.members.length > 1)
      return 'idle';
    await member.reportRunning();
    await member.reports.sent;
    const upgrade = await this.#host.reports.check(member.module).catch((error: unknown) => {
      throwIfAborted(this.#host.signal);
      this.#host.onError(error);
      return undefined;
    });
    if (upgrade === undefined) return 'idle';
    if (!upgrade.isDiff || upgrade.digest !== failed.digest) {
      return this.take(new Map([[member.module, upgrade]]));
    }
    // The platform tries the same once more: not before the next connection.
    await upgrade.defer();
    return 'idle';
  }

  // What waits for an upgrade or for its next try holds no application up.
  async #drive(upgrades: Offered): Promise<Outcome> {
    let outcome: Outcome = 'idle';
    try {
      outcome = await this.#stepOn(upgrades);
      return outcome;
    } finally {
      if (outcome === 'idle') await this.#round.gate.release();
    }
  }

  async #stepOn(upgrades: Offered): Promise<Outcome> {
    for (;;) {
      throwIfAborted(this.#host.signal);
      const outcome = await this.#do(await this.#decide(), upgrades);
      if (outcome !== 'on') return outcome;
    }
  }

  async #decide(): Promise<RoundDecision> {
    const found: { entry: UpdateEntry; found: Awaited<ReturnType<Member['look']>> }[] = [];
    for (const member of this.#round.members) {
      const { entry } = member;
      if (entry !== undefined) found.push({ entry, found: await member.look() });
    }
    return decideTogether(found, this.#host.limits);
  }

  async #do(decision: RoundDecision, upgrades: Offered): Promise<Outcome | 'on'> {
    switch (decision.what) {
      case 'nothing':
        return 'idle';
      case 'report':
        for (const entry of decision.entries) this.#round.member(entry).reports.end(entry);
        return 'idle';
      case 'install':
        return this.#install(decision.entry, upgradeOf(decision.entry, upgrades));
      case 'activate':
        return this.#activate(decision.entries);
      case 'restart':
        return this.#restart(decision.entries);
      case 'trial':
        return this.#try(decision.entries);
      case 'back':
        return this.#round.goBack(decision);
    }
  }

  async #install(given: UpdateEntry, upgrade: Upgrade | undefined): Promise<Outcome | 'on'> {
    const { images, signal } = this.#host;
    const { gate } = this.#round;
    const member = this.#round.member(given);
    let entry = given;
    let source: Source | undefined;
    let isInstalling = false;
    try {
      source = await member.source(given, upgrade);
      // Where it was streamed, the platform announces it again.
      if (source === undefined) return 'idle';
      await gate.mayInstall(given);
      await member.assertAllowed(given);
      const slotFrom = await member.start.refresh();
      const attempts = given.attempts + 1;
      const unproven = !source.isStored;
      const begun = { ...this.#round.latest(given), slotFrom, attempts, unproven };
      entry = await this.#round.put({ ...begun, phase: 'installing' });
      isInstalling = true;
      const [written, slot] = await this.#write(source, entry);
      isInstalling = false;
      entry = written;
      await member.assertInstalled(slot, slotFrom);
      await this.#round.put({ ...entry, phase: 'installed', slotTo: slot, unproven: false });
      await images.remove(entry.module);
      return 'on';
    } catch (error) {
      await source?.close();
      throwIfAborted(signal);
      if (error instanceof Replaced) return this.#round.giveUp(error.entry);
      if (isInstalling && (await this.#isWorthAnotherTry(error, entry))) return 'on';
      this.#round.noteDelta(error, upgrade);
      return this.#round.fail(this.#round.latest(entry), error, source?.isReported(error) ?? false);
    } finally {
      await source?.close();
    }
  }

  /**
   * Writes an image into a slot. One that comes meanwhile is left where a newer one is announced; one from the disk is
   * soon written, and left afterwards.
   */
  async #write(source: Source, given: UpdateEntry): Promise<readonly [UpdateEntry, string]> {
    const { installer } = this.#round.member(given);
    const replaceable = source.isStored ? [] : [given];
    return this.#round.gate.unlessReplaced(replaceable, async (signal) => {
      const known = await abortable(source.begin(given), signal);
      const entry = known === given ? given : await this.#round.put(known);
      const onProgress = this.#progress(source, entry);
      const { slot } = await installer.install(source.image(entry), { signal, onProgress });
      await abortable(source.prove(), signal);
      return [entry, slot];
    });
  }

  async #isWorthAnotherTry(error: unknown, { attempts }: UpdateEntry): Promise<boolean> {
    const { clock, signal, limits } = this.#host;
    const isBusy = IotkitError.is(error) && error.retryable && /^ERR_INSTALL_/.test(error.code);
    if (!isBusy || attempts >= limits.attempts) return false;
    this.#host.onError(error);
    await clock.sleep(RETRY_MS, signal);
    return true;
  }

  /** The share of the installation in the percentages, which only grow. */
  #progress(
    { isStored }: Source,
    { module }: UpdateEntry,
  ): ((progress: { readonly fraction: number }) => void) | undefined {
    // The download of a stream reports both at once.
    if (!isStored) return undefined;
    const { download, install } = this.#host.progress;
    let last = download;
    return ({ fraction }) => {
      const step = Math.min(
        install,
        download + 1 + Math.floor(fraction * (install - download - 1)),
      );
      if (step <= last) return;
      last = step;
      this.#host.reports.progress(step, module);
    };
  }

  async #activate(given: readonly UpdateEntry[]): Promise<Outcome | 'on'> {
    const { gate } = this.#round;
    let at = given[0] as UpdateEntry;
    try {
      // What the next start takes comes to its end first.
      const replaceable = (await this.#round.isNext(given)) ? [] : given;
      await gate.unlessReplaced(replaceable, async (signal) => {
        await gate.mayRestart(at, signal);
        for (at of given) await gate.asked('beforeRestart', at, signal);
      });
      for (at of given) await this.#round.member(at).assertAllowed(at);
      for (at of given) {
        const { start, installer } = this.#round.member(at);
        await start.refresh();
        // Counted before it is done: a slot that never comes up is not activated for ever.
        const latest = this.#round.latest(at);
        const activations = latest.activations + 1;
        const entry = await this.#round.put({ ...latest, activations, restarts: 0 });
        await installer.activate(entry.slotTo);
        await this.#round.put({ ...entry, phase: 'activated', bootId: await this.#host.bootId() });
      }
      return 'on';
    } catch (error) {
      throwIfAborted(this.#host.signal);
      if (error instanceof Replaced) return this.#round.giveUp(error.entry);
      return this.#round.fail(this.#round.latest(at), error, false);
    }
  }

  async #restart(given: readonly UpdateEntry[]): Promise<Outcome | 'on'> {
    const first = given[0] as UpdateEntry;
    try {
      await this.#round.gate.mayRestart(first);
    } catch (error) {
      throwIfAborted(this.#host.signal);
      return this.#round.fail(this.#round.latest(first), error, false);
    }
    await this.#countRestarts(given.map((entry) => this.#round.latest(entry)));
    if (await this.#round.restartMachine(given)) return 'restarting';
    for (const { module } of given) {
      const { installer, entry } = this.#round.member({ module });
      try {
        await installer.reboot({ signal: this.#host.signal });
      } catch (error) {
        throwIfAborted(this.#host.signal);
        // A service that does not start is a trial that has failed.
        const culprit: UpdateEntry = { ...(entry as UpdateEntry), phase: 'trial' };
        await this.#round.sentence({ culprit, reason: reasonOf(error) });
        break;
      }
    }
    await this.#round.gate.release();
    await this.#untilStarted(given);
    return 'on';
  }

  /** The first is that of the activation; of a machine each start of the old slot counts, of a service each try. */
  async #countRestarts(given: readonly UpdateEntry[]): Promise<void> {
    const bootId = await this.#host.bootId();
    const counted = given.map((entry): UpdateEntry => {
      const isService = this.#round.member(entry).installer.restarts === 'service';
      const restarts = isService ? entry.restarts + 1 : entry.restarts;
      const isAgain = entry.bootId !== bootId || restarts > 1;
      const activations = isAgain ? entry.activations + 1 : entry.activations;
      return { ...entry, bootId, restarts, activations };
    });
    const changed = counted.filter(({ restarts, activations }, i) => {
      return restarts !== given[i]?.restarts || activations !== given[i]?.activations;
    });
    if (changed.length > 0) await this.#round.putAll(changed);
  }

  /**
   * A restart may be done later than it is asked for, and may be about to end this process. One that has left the
   * old release is not asked for again at once.
   */
  async #untilStarted(given: readonly UpdateEntry[]): Promise<void> {
    const { clock, signal, onError } = this.#host;
    for (const { module, slotFrom, slotTo } of given) {
      throwIfAborted(signal);
      const { installer, entry } = this.#round.member({ module });
      const { booted, next } = await installer.status({ signal });
      if (entry?.reason !== '' || booted !== slotFrom || next !== slotTo) continue;
      const detail = `${slotFrom} still runs after the restart into ${slotTo}`;
      onError(new IotkitError('ERR_INSTALL_FAILED', detail));
      await clock.sleep(RETRY_MS, signal);
      return;
    }
  }

  async #try(given: readonly UpdateEntry[]): Promise<Outcome | 'on'> {
    const entries = await this.#round.putAll(
      given.map((entry) => ({ ...entry, phase: 'trial', trials: entry.trials + 1 })),
    );
    const before = await this.#round.states(entries);
    const failure =
      unprovenImage(entries) ?? (await this.#otherVersion(entries)) ?? (await this.#unhealthy());
    // Meanwhile somebody may have taken one back, or confirmed them, by hand.
    const after = await this.#round.states(entries);
    if (after.some(({ booted }, i) => booted !== entries[i]?.slotTo)) return 'on';
    const areGood = after.every(({ state }) => state === 'good');
    const areConfirmed = areGood && before.some(({ state }) => state !== 'good');
    if (failure !== undefined && !areConfirmed) {
      await this.#round.sentence(failure);
      return 'on';
    }
    for (const entry of entries) await this.#round.member(entry).installer.markGood();
    await this.#confirm(entries);
    for (const entry of entries) await this.#round.afterwards('afterConfirm', entry);
    return 'on';
  }

  async #unhealthy(): Promise<Failure | undefined> {
    const { health, vitals, clock, signal } = this.#host;
    const reason = await prove(health, vitals, clock, signal);
    return reason === undefined ? undefined : { culprit: undefined, reason };
  }

  async #otherVersion(entries: readonly UpdateEntry[]): Promise<Failure | undefined> {
    for (const entry of entries) {
      const reason = await this.#round.member(entry).isAnotherVersion(entry);
      if (reason !== undefined) return { culprit: entry, reason };
    }
    return undefined;
  }

  async #confirm(given: readonly UpdateEntry[]): Promise<void> {
    const entries = given.map((entry): UpdateEntry => {
      // Of a trial whose record was lost nobody may know the version.
      return { ...entry, phase: 'confirmed', reported: entry.version === '' };
    });
    const known = entries.filter(({ version }) => version !== '');
    await this.#host.record.change((content) => ({
      ...content,
      entries: { ...content.entries, ...byModule(entries, (entry) => entry) },
      confirmed: {
        ...content.confirmed,
        ...byModule(known, ({ version, digest, size, slotTo: slot }) => {
          return { version, slot, digest, size };
        }),
      },
    }));
    for (const entry of entries) this.#host.onEntry(entry);
  }
}

/** An installer that activates has done so before the stream came to its end, which alone says what it was. */
function unprovenImage(entries: readonly UpdateEntry[]): Failure | undefined {
  const culprit = entries.find(({ unproven }) => unproven);
  const reason = 'the image was activated, and the power was cut, before its digest was proven';
  return culprit && { culprit, reason };
}

/** What may be on trial is not the running version yet, as far as the platform is concerned. */
function isAsBefore(entry: UpdateEntry | undefined): boolean {
  if (entry === undefined || entry.phase === 'announced' || entry.phase === 'downloaded')
    return true;
  return entry.reported && !isUnderWay(entry);
}

function upgradeOf(entry: UpdateEntry, upgrades: Offered): Upgrade | undefined {
  const upgrade = upgrades.get(entry.module);
  return upgrade !== undefined && isSame(entry, upgrade) ? upgrade : undefined;
}

function byModule<T>(
  entries: readonly UpdateEntry[],
  of: (entry: UpdateEntry) => T,
): Readonly<Record<string, T>> {
  return Object.fromEntries(entries.map((entry) => [entry.module, of(entry)]));
}
