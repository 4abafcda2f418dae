/**
 * What is to be done of an update, decided by what the record says was meant and what the boot
 * environment says is: pure, and the same after every start and between every two steps.
 *
 * The order of writes makes it sound. The record says `installed` before the slot is activated, and
 * `activated` only when that is on the disk. So a cut between the two leaves `installed`, after
 * which the slot is activated once more: never is it taken for a fall back of the boot loader.
 */
import type { InstallerStatus } from './installer';
import { hasNewSlot, isUnderWay, type UpdateEntry } from './record';

/** @internal What a start has found. */
export interface Found {
  readonly status: InstallerStatus;
  readonly bootId: string;
  /** Whether the installer activates what it has installed. */
  readonly activates: boolean;
}

/** @internal How often each step is begun before the update is given up. */
export interface Limits {
  readonly attempts: number;
  readonly activations: number;
  readonly trials: number;
}

/**
 * @internal
 *
 * - `install`: the image is written, from its beginning
 * - `activate`: the slot is activated; then the restart
 * - `restart`: it is activated, and the old system still runs
 * - `trial`: `slot` runs, and is to be proven
 * - `rollBack`: the new slot runs and must not: it is marked bad, then the restart
 * - `rolledBack`: the old slot runs again
 * - `fail`: given up; the old slot runs
 * - `report`: it has ended, and the platform has not heard that
 * - `nothing`
 */
export type Decision =
  | { readonly what: 'install' | 'activate' | 'restart' | 'report' | 'nothing' }
  | { readonly what: 'trial'; readonly slot: string }
  | { readonly what: 'rollBack' | 'rolledBack' | 'fail'; readonly reason: string };

/** @internal */
export function decide(entry: UpdateEntry | undefined, found: Found, limits: Limits): Decision {
  switch (entry?.phase) {
    case undefined:
      return { what: 'nothing' };
    case 'announced':
    case 'downloaded':
    case 'installing':
      return notInstalled(entry, found, limits);
    case 'installed':
    case 'activated':
    case 'trial':
      return inSlot(entry, found, limits);
    case 'confirmed':
    case 'rolledBack':
    case 'failed':
      return { what: entry.reported ? 'nothing' : 'report' };
  }
}

/** @internal A module, what the record says of it, and what a start has found. */
export interface Member {
  readonly entry: UpdateEntry;
  readonly found: Found;
}

/**
 * @internal What is to be done of modules that are updated together; of one module alone as well.
 *
 * - `install`: this one
 * - `activate`, `restart`: these, in their order
 * - `trial`: all of them run, and are to be proven together
 * - `back`: `culprit` must not stay, so none does
 * - `report`: these have ended, and the platform has not heard that
 * - `nothing`
 */
export type RoundDecision =
  | { readonly what: 'nothing' }
  | { readonly what: 'install'; readonly entry: UpdateEntry }
  | { readonly what: 'activate' | 'restart' | 'report'; readonly entries: readonly UpdateEntry[] }
  | { readonly what: 'trial'; readonly entries: readonly UpdateEntry[] }
  | { readonly what: 'back'; readonly culprit: UpdateEntry; readonly reason: string };

/**
 * @internal Decides for all by what decide() says of each. No slot is activated before all are
 * installed, none is proven before all run, and one that goes back takes all with it. So a cut
 * between two activations leaves some that run and some that do not: the others follow.
 */
export function decideTogether(members: readonly Member[], limits: Limits): RoundDecision {
  const decided = members.map(({ entry, found }) => ({
    entry,
    decision: decide(entry, found, limits),
  }));
  const going = decided.filter(({ entry }) => isUnderWay(entry));
  if (going.length === 0) {
    const ended = decided.filter(({ decision }) => decision.what === 'report');
    const entries = ended.map(({ entry }) => entry);
    return entries.length === 0 ? { what: 'nothing' } : { what: 'report', entries };
  }
  const back = backOf(going);
  if (back !== undefined) return back;
  const [next] = which(going, 'install');
  if (next !== undefined) return { what: 'install', entry: next };
  for (const what of ['activate', 'restart'] as const) {
    const entries = which(going, what);
    if (entries.length > 0) return { what, entries };
  }
  const entries = going.map(({ entry, decision }) => {
    return decision.what === 'trial' ? { ...entry, slotTo: decision.slot } : entry;
  });
  return { what: 'trial', entries };
}

interface Decided {
  readonly entry: UpdateEntry;
  readonly decision: Decision;
}

function which(going: readonly Decided[], what: Decision['what']): readonly UpdateEntry[] {
  return going.filter(({ decision }) => decision.what === what).map(({ entry }) => entry);
}

/** Why all go back; a reason in the record counts before what is found now. */
function backOf(going: readonly Decided[]): RoundDecision | undefined {
  const sentenced = going.find(({ entry }) => entry.reason !== '');
  if (sentenced !== undefined) {
    return { what: 'back', culprit: sentenced.entry, reason: sentenced.entry.reason };
  }
  for (const { entry, decision } of going) {
    if ('reason' in decision) return { what: 'back', culprit: entry, reason: decision.reason };
  }
  return undefined;
}

function notInstalled(entry: UpdateEntry, { status, activates }: Found, limits: Limits): Decision {
  const { phase, slotFrom, attempts } = entry;
  // It was whole and activated, and the power was cut before the record could say so.
  if (phase === 'installing' && activates && slotFrom !== '' && status.booted !== slotFrom) {
    return { what: 'trial', slot: status.booted };
  }
  if (attempts < limits.attempts) return { what: 'install' };
  return { what: 'fail', reason: `cut off ${attempts} times while it was installed` };
}

function inSlot(entry: UpdateEntry, found: Found, limits: Limits): Decision {
  const { phase, slotTo } = entry;
  if (!hasNewSlot(entry)) return { what: 'fail', reason: `${slotTo} ran before the update` };
  if (phase === 'installed') return installed(entry, found, limits);
  return phase === 'activated' ? activated(entry, found, limits) : onTrial(entry, found, limits);
}

function installed(entry: UpdateEntry, { status }: Found, limits: Limits): Decision {
  const { slotTo, slotFrom, activations } = entry;
  if (status.booted === slotTo) return { what: 'trial', slot: slotTo };
  if (status.booted !== slotFrom) return { what: 'fail', reason: another(entry, status) };
  if (activations < limits.activations) return { what: 'activate' };
  return { what: 'fail', reason: `${slotTo} did not start though activated ${activations} times` };
}

function activated(entry: UpdateEntry, { status, bootId }: Found, limits: Limits): Decision {
  const { slotTo, slotFrom, activations, restarts } = entry;
  if (status.booted === slotTo) return { what: 'trial', slot: slotTo };
  if (status.booted !== slotFrom) return { what: 'fail', reason: another(entry, status) };
  if (status.next === slotTo) {
    // The restart that belongs to the activation, whatever the limit is. That of a service may have ended this
    // process before anybody could see what it has started, so it is begun twice.
    const isFirst = bootId === entry.bootId && restarts < 2;
    if (isFirst || activations < limits.activations) return { what: 'restart' };
    return { what: 'rolledBack', reason: `${slotFrom} started ${activations} times in its place` };
  }
  const reason =
    bootId === entry.bootId
      ? `${slotTo} was taken back before its trial`
      : `${slotTo} did not come up, and ${slotFrom} was started again`;
  return { what: 'rolledBack', reason };
}

function onTrial(entry: UpdateEntry, { status }: Found, limits: Limits): Decision {
  const { slotTo, slotFrom, trials, reason } = entry;
  if (status.booted === slotTo) {
    if (reason !== '') return { what: 'rollBack', reason };
    if (trials < limits.trials) return { what: 'trial', slot: slotTo };
    return { what: 'rollBack', reason: `${slotTo} was not healthy within ${trials} starts` };
  }
  if (status.booted !== slotFrom) return { what: 'fail', reason: another(entry, status) };
  const fallen = `${slotTo} ended before it was healthy, and ${slotFrom} was started again`;
  return { what: 'rolledBack', reason: reason === '' ? fallen : reason };
}

function another({ slotTo, slotFrom }: UpdateEntry, { booted }: InstallerStatus): string {
  return `${booted} runs, which is neither ${slotTo} nor ${slotFrom}`;
}
