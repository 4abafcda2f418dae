/** Announced upgrades on their way to those who iterate over them. */
import { Feed } from './feed';
import type { Announced } from './run';
import type { Upgrade } from './upgrade';

/** What is remembered of an upgrade that is not to be offered; not the upgrade, which has a job. */
interface Declined extends Announced {
  readonly id: string;
}

const MAX_WAITING = 64;
const MAX_DECLINED = 256;

/**
 * The upgrades that nobody has taken yet, the newest of each module, and what is not to be offered:
 * what was deferred until the next connection, what was rejected not again.
 */
export class Offers {
  /** By module. */
  readonly #waiting = new Map<string, Upgrade>();
  readonly #feeds = new Set<Feed<Upgrade>>();
  #deferred: Declined[] = [];
  #rejected: Declined[] = [];
  readonly #onDrop: (upgrade: Upgrade) => void;
  #closed = false;

  /** @param onDrop told of an upgrade for which there is no more room. */
  constructor(onDrop: (upgrade: Upgrade) => void) {
    this.#onDrop = onDrop;
  }

  /** The upgrades of a module, or of all. */
  open(module: string | undefined, signal: AbortSignal | undefined): Feed<Upgrade> {
    const feed: Feed<Upgrade> = new Feed({
      take: () => this.#take(module),
      detach: () => this.#feeds.delete(feed),
      signal,
    });
    this.#feeds.add(feed);
    if (this.#closed) feed.end();
    return feed;
  }

  add(upgrade: Upgrade): void {
    if (this.#closed || this.#isUnwanted(upgrade)) return;
    const key = upgrade.module ?? '';
    this.#waiting.delete(key);
    if (this.#waiting.size >= MAX_WAITING) this.#dropOldest();
    this.#waiting.set(key, upgrade);
    for (const feed of [...this.#feeds]) feed.wake();
  }

  /** What waits for a module. */
  waiting(module: string): Upgrade | undefined {
    return this.#waiting.get(module);
  }

  remove(module: string): void {
    this.#waiting.delete(module);
  }

  /** Not now: with the next connection. */
  defer(upgrade: Upgrade): void {
    this.#deferred = remember(this.#deferred, upgrade);
    this.#withdraw(upgrade);
  }

  /** Not again, should the same notice come twice. */
  reject(upgrade: Upgrade): void {
    this.#rejected = remember(this.#rejected, upgrade);
    this.#withdraw(upgrade);
  }

  /** What was deferred may come again. */
  connected(): void {
    this.#deferred = [];
  }

  close(): void {
    this.#closed = true;
    this.#waiting.clear();
    for (const feed of [...this.#feeds]) feed.end();
  }

  // An operator who starts the upgrade once more sends another notice, which is offered.
  #isUnwanted(upgrade: Upgrade): boolean {
    return (
      this.#deferred.some((it) => upgrade.isSame(it)) ||
      this.#rejected.some((it) => it.id === upgrade.id && upgrade.isSame(it))
    );
  }

  // Its notice may have come twice.
  #withdraw(upgrade: Upgrade): void {
    const key = upgrade.module ?? '';
    if (this.#waiting.get(key)?.isSame(upgrade)) this.#waiting.delete(key);
  }

  #take(module: string | undefined): Upgrade | undefined {
    for (const [key, upgrade] of this.#waiting) {
      if (module !== undefined && module !== key) continue;
      this.#waiting.delete(key);
      return upgrade;
    }
    return undefined;
  }

  #dropOldest(): void {
    const [[key, upgrade] = []] = this.#waiting;
    if (key === undefined || upgrade === undefined) return;
    this.#waiting.delete(key);
    this.#onDrop(upgrade);
  }
}

function remember(declined: readonly Declined[], upgrade: Upgrade): Declined[] {
  const { id, module, version, size, digest, files } = upgrade;
  const others = declined.filter((it) => it.id !== id || !upgrade.isSame(it));
  return [...others.slice(1 - MAX_DECLINED), { id, module, version, size, digest, files }];
}
