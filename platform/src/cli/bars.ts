import { MultiBar, Presets, type SingleBar } from 'cli-progress';
import type { Upgrade, UpgradeTask } from '../index';

/** A bar for each upgrade that runs, on a terminal; lines where there is none. */
export class UpgradeBars {
  readonly #stream: NodeJS.WriteStream;
  readonly #bars = new Map<string, SingleBar>();
  readonly #lines = new Map<string, string>();
  /** While there is a bar. */
  #multi: MultiBar | undefined;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  /** Shows how an upgrade is now; the bar of one that has ended stays as it was last. */
  show(upgrade: Upgrade): void {
    const { id, version, settled } = upgrade;
    const payload = { id, version, counts: countsOf(upgrade.tasks) };
    const percent = percentOf(upgrade);
    if (!this.#stream.isTTY) {
      this.#print(id, `${id} ${version} ${percent} % ${payload.counts}`);
      return;
    }
    if (settled && !this.#bars.has(id)) return;
    this.#multi ??= openBars(this.#stream);
    const bar = this.#bars.get(id) ?? this.#multi.create(100, percent, payload);
    this.#bars.set(id, bar);
    bar.update(percent, payload);
    if (settled) this.#end(id, bar);
  }

  /** Writes a line above the bars. */
  log(line: string): void {
    if (this.#multi === undefined) this.#stream.write(`${line}\n`);
    else this.#multi.log(`${line}\n`);
  }

  close(): void {
    // What was written since the last redrawing would be lost.
    this.#multi?.update();
    this.#multi?.stop();
    this.#multi = undefined;
    this.#bars.clear();
  }

  #end(id: string, bar: SingleBar): void {
    if (this.#bars.size === 1) {
      this.close();
      return;
    }
    this.#multi?.update();
    this.#multi?.remove(bar);
    this.#bars.delete(id);
  }

  /** The same line is not repeated. */
  #print(id: string, line: string): void {
    if (this.#lines.get(id) === line) return;
    this.#lines.set(id, line);
    this.#stream.write(`${line}\n`);
  }
}

/** Neither signals nor the cursor are its own: the process may end at any time. */
function openBars(stream: NodeJS.WriteStream): MultiBar {
  return new MultiBar(
    {
      stream,
      format: '{id} {version} |{bar}| {percentage} %  {counts}',
      hideCursor: false,
      linewrap: true,
      gracefulExit: false,
      clearOnComplete: false,
      barsize: 24,
      // In between it is redrawn only as often as an eye follows.
      fps: 5,
    },
    Presets.shades_classic,
  );
}

/** Mean of what its devices reported, in whole percent; one that has ended counts in full. */
export function percentOf({ tasks }: Pick<Upgrade, 'tasks'>): number {
  const sum = tasks.reduce((total, task) => total + stepOf(task), 0);
  return tasks.length === 0 ? 100 : Math.floor(sum / tasks.length);
}

/** How many devices are in each state, in words. */
export function countsOf(tasks: readonly UpgradeTask[]): string {
  const numbers = new Map<string, number>();
  for (const { state } of tasks) numbers.set(state, (numbers.get(state) ?? 0) + 1);
  return [...numbers].map(([state, number]) => `${state}=${number}`).join(' ');
}

function stepOf({ state, step }: UpgradeTask): number {
  if (state === 'succeeded' || state === 'failed' || state === 'cancelled') return 100;
  return state === 'upgrading' ? Math.max(0, step ?? 0) : 0;
}
