/** The announced upgrades of a device: which of them wait for the program, and which it has. */
import { Feed } from '../base/feed';
import { type ImageIdentity, isSameImage, moduleKey } from '../download/image-identity';
import type { Upgrade } from './upgrade';

/** A declined upgrade is remembered by its identity; the upgrade itself would keep its job. */
interface Declined extends ImageIdentity {
  readonly id: string;
}

/** Nobody has taken it, and now `newer` of its module waits; without: there is no more room. */
export type OnDrop = (upgrade: Upgrade, newer?: Upgrade) => void;

const MAX_WAITING = 64;
/** Of modules, whose newest upgrade is remembered when it does not wait any more. */
const MAX_KNOWN = 128;
const MAX_DECLINED = 256;

/**
 * One upgrade for each module and image, whoever asks. The newest of each module waits until an
 * iteration or a check takes it; then it is not offered again, however often its notice comes,
 * unless it has ended without success. A deferred one is not offered until the next connection, a
 * rejected one never again.
 */
export class PendingUpgrades {
  /** The newest of each module, by module: it waits, or the program has it. */
  readonly #known = new Map<string, Upgrade>();
  /** Those that nobody has taken, by module, in the order of their announcements. */
  readonly #waiting = new Map<string, Upgrade>();
  /** Those that have ended without success: their next notice offers them again. */
  readonly #failed = new WeakSet<Upgrade>();
  readonly #feeds = new Set<Feed<Upgrade>>();
  #deferred: Declined[] = [];
  #rejected: Declined[] = [];
  readonly #onDrop: OnDrop;
  #closed = false;

  constructor(onDrop: OnDrop) {
    this.#onDrop = onDrop;
  }

  /** An iteration over the upgrades of a module, or of all; several share them. */
  open(module: string | undefined, signal: AbortSignal | undefined): Feed<Upgrade> {
    const key = module === undefined ? undefined : moduleKey(module);
    const feed: Feed<Upgrade> = new Feed({
      take: () => this.#takeNext(key),
      detach: () => this.#feeds.delete(feed),
      signal,
    });
    this.#feeds.add(feed);
    if (this.#closed) feed.end();
    return feed;
  }

  /** The upgrade that stands for this image already. */
  find(image: ImageIdentity): Upgrade | undefined {
    const upgrade = this.#known.get(keyOf(image));
    return upgrade !== undefined && isSameImage(upgrade, image) ? upgrade : undefined;
  }

  /**
   * An upgrade was announced, for the first time or once more. Returns whether it waits now and did
   * not before; if so, it has taken the place of an older one of its module.
   */
  offer(upgrade: Upgrade): boolean {
    if (this.#closed || this.#isUnwanted(upgrade)) return false;
    const key = keyOf(upgrade);
    const isNew = this.#known.get(key) !== upgrade;
    if (!isNew && (this.#waiting.has(key) || !this.#failed.has(upgrade))) return false;
    const older = this.#waiting.get(key);
    this.#waiting.delete(key);
    if (older !== undefined) this.#onDrop(older, upgrade);
    else if (this.#waiting.size >= MAX_WAITING) this.#dropOldest();
    this.#remember(upgrade);
    this.#waiting.set(key, upgrade);
    for (const feed of [...this.#feeds]) feed.wake();
    return true;
  }

  /** The program has got the upgrade by another way than an iteration. */
  take(upgrade: Upgrade): void {
    this.#deferred = without(this.#deferred, upgrade);
    this.#withdraw(upgrade);
    this.#remember(upgrade);
    this.#failed.delete(upgrade);
  }

  /** A consumption of the image has begun, or has ended without success. */
  consumed(image: ImageIdentity, state: 'begun' | 'failed'): void {
    if (state === 'begun') {
      this.#deferred = without(this.#deferred, image);
      this.#withdraw(image);
    }
    const upgrade = this.find(image);
    if (upgrade === undefined) return;
    if (state === 'begun') this.#failed.delete(upgrade);
    else this.#failed.add(upgrade);
  }

  /** The newest upgrade of a module, whether it waits or the program has it. */
  known(module: string): Upgrade | undefined {
    return this.#known.get(moduleKey(module));
  }

  /** The upgrade of a module that nobody has taken. */
  waiting(module: string): Upgrade | undefined {
    return this.#waiting.get(moduleKey(module));
  }

  allWaiting(): readonly Upgrade[] {
    return [...this.#waiting.values()];
  }

  /** A version was reported, which ends the upgrade to it that the program has. */
  installed(module: string, version: string | undefined): void {
    const key = moduleKey(module);
    if (this.#waiting.has(key)) return;
    if (this.#known.get(key)?.version === version) this.#known.delete(key);
  }

  /** It neither waits nor is known any more: its next notice is one of a new upgrade. */
  forget(upgrade: Upgrade): void {
    this.#withdraw(upgrade);
    if (this.find(upgrade) !== undefined) this.#known.delete(keyOf(upgrade));
  }

  /** The upgrade is not offered again before the next connection. */
  defer(upgrade: Upgrade): void {
    this.#deferred = remember(this.#deferred, upgrade);
    this.forget(upgrade);
  }

  /** The upgrade is not offered again, even if the same notice comes once more. */
  reject(upgrade: Upgrade): void {
    this.#rejected = remember(this.#rejected, upgrade);
    this.forget(upgrade);
  }

  /** There is a new connection: deferred upgrades may be offered again. */
  connected(): void {
    this.#deferred = [];
  }

  close(): void {
    this.#closed = true;
    this.#waiting.clear();
    this.#known.clear();
    for (const feed of [...this.#feeds]) feed.end();
  }

  /**
   * Whether this very notice was rejected. An operator who starts a rejected upgrade once more sends
   * another one, which is offered.
   */
  isRejected(image: ImageIdentity, id: string): boolean {
    return this.#rejected.some((it) => it.id === id && isSameImage(image, it));
  }

  /** Whether it has ended here without success: rejected, or what the program has of it has failed. */
  hasEnded(image: ImageIdentity): boolean {
    if (this.#rejected.some((it) => isSameImage(image, it))) return true;
    const upgrade = this.find(image);
    return upgrade !== undefined && this.#failed.has(upgrade);
  }

  #isUnwanted(upgrade: Upgrade): boolean {
    const isDeferred = this.#deferred.some((it) => isSameImage(upgrade, it));
    return isDeferred || this.isRejected(upgrade, upgrade.id);
  }

  #withdraw(image: ImageIdentity): void {
    const key = keyOf(image);
    const waiting = this.#waiting.get(key);
    if (waiting !== undefined && isSameImage(waiting, image)) this.#waiting.delete(key);
  }

  #remember(upgrade: Upgrade): void {
    const key = keyOf(upgrade);
    this.#known.delete(key);
    this.#known.set(key, upgrade);
    if (this.#known.size <= MAX_KNOWN) return;
    const taken = [...this.#known.keys()].find((module) => !this.#waiting.has(module));
    if (taken !== undefined) this.#known.delete(taken);
  }

  #takeNext(wanted: string | undefined): Upgrade | undefined {
    for (const [key, upgrade] of this.#waiting) {
      if (wanted !== undefined && wanted !== key) continue;
      this.#waiting.delete(key);
      this.#failed.delete(upgrade);
      return upgrade;
    }
    return undefined;
  }

  #dropOldest(): void {
    const [[, upgrade] = []] = this.#waiting;
    if (upgrade === undefined) return;
    this.forget(upgrade);
    this.#onDrop(upgrade);
  }
}

function keyOf({ module }: ImageIdentity): string {
  return moduleKey(module);
}

function remember(declined: readonly Declined[], upgrade: Upgrade): Declined[] {
  const { id, module, version, size, digest, files } = upgrade;
  const others = declined.filter((it) => it.id !== id || !isSameImage(upgrade, it));
  return [...others.slice(1 - MAX_DECLINED), { id, module, version, size, digest, files }];
}

function without(declined: readonly Declined[], image: ImageIdentity): Declined[] {
  return declined.filter((it) => !isSameImage(image, it));
}
