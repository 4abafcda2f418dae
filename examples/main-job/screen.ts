import { MultiBar, type SingleBar } from 'cli-progress';
import { megabytes, percent, speed, timeLeft } from './format';

/** Bytes so far and how fast, as the device tells them. */
export interface Transfer {
  readonly received: number;
  readonly size: number;
  readonly bytesPerSecond: number;
}

type Output = NodeJS.WriteStream & { readonly isTTY?: boolean };

const NAME_WIDTH = 9;

/** What the main job shows: one line a step, bars during the download, a table at the end. */
export class Screen {
  readonly #out: Output;
  readonly #steps: number;
  #step = 0;

  constructor(out: Output, steps: number) {
    this.#out = out;
    this.#steps = steps;
  }

  /** Number of the step that is under way, once the first has begun. */
  get nextStep(): number {
    return this.#step + 1;
  }

  line(text = ''): void {
    this.#out.write(`${text}\n`);
  }

  /** Tells that the next step is done. */
  step(name: string, text: string): void {
    this.#step += 1;
    this.line(` ${this.#step}/${this.#steps} ${name.padEnd(NAME_WIDTH)} ${text}`);
  }

  /** Progress of a download, seen from both ends. */
  transfer(size: number): TransferView {
    return this.#out.isTTY ? new Bars(this.#out, size) : new Lines((text) => this.line(text));
  }

  table(rows: ReadonlyArray<readonly [name: string, value: string]>): void {
    const width = Math.max(...rows.map(([name]) => name.length));
    this.line();
    for (const [name, value] of rows) this.line(`     ${name.padEnd(width)}  ${value}`);
    this.line();
  }
}

export interface TransferView {
  device(progress: Transfer): void;
  platform(step: number): void;
  stop(): void;
}

class Bars implements TransferView {
  readonly #bars: MultiBar;
  readonly #device: SingleBar;
  readonly #platform: SingleBar;

  constructor(stream: Output, size: number) {
    this.#bars = new MultiBar({
      stream,
      format: `     {name} [{bar}] {percentage} %{text}`,
      barsize: 30,
      barCompleteChar: '=',
      barIncompleteChar: ' ',
      autopadding: true,
      hideCursor: true,
      linewrap: false,
    });
    this.#device = this.#bars.create(size, 0, { name: 'device  ', text: '' });
    this.#platform = this.#bars.create(100, 0, { name: 'platform', text: '' });
  }

  device({ received, size, bytesPerSecond }: Transfer): void {
    const left = timeLeft(size - received, bytesPerSecond);
    const text = ` | ${megabytes(received)} | ${speed(bytesPerSecond)} | ${left} left`;
    this.#device.update(received, { text });
  }

  platform(step: number): void {
    if (step >= 0) this.#platform.update(step, { text: ' | as reported' });
    else this.#platform.update({ text: ` | step ${step}` });
  }

  stop(): void {
    this.#bars.stop();
  }
}

/** Where there is no terminal: a line for every tenth. */
class Lines implements TransferView {
  readonly #write: (text: string) => void;
  #tenth = -1;
  #reported = 0;

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  device({ received, size, bytesPerSecond }: Transfer): void {
    const done = percent(received, size);
    const tenth = Math.floor(done / 10);
    if (tenth === this.#tenth) return;
    this.#tenth = tenth;
    const left = timeLeft(size - received, bytesPerSecond);
    this.#write(
      `     device ${done} % | ${megabytes(received)} | ${speed(bytesPerSecond)} | ${left} left`,
    );
  }

  platform(step: number): void {
    if (step >= 0 && Math.floor(step / 10) === Math.floor(this.#reported / 10)) return;
    this.#reported = step;
    this.#write(step < 0 ? `     platform: step ${step}` : `     platform ${step} % reported`);
  }

  stop(): void {}
}
