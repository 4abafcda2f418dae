/** The upgrades that the program wants to be offered again at a certain time. */
import type { NativeJob } from '../addon/binding';
import { type ImageIdentity, isSameImage } from '../download/image-identity';

interface Deferral {
  readonly image: ImageIdentity;
  readonly job: NativeJob;
  /** Milliseconds since the epoch. */
  readonly until: number;
  timer?: NodeJS.Timeout;
}

/** So often the clock is looked at: a device's is set late, and by leaps. */
const LOOK_MS = 60_000;

export class Deferrals {
  readonly #onDue: (job: NativeJob) => void;
  readonly #deferrals = new Set<Deferral>();

  /** @param onDue gets the job of a deferral whose time has come; by then it is forgotten. */
  constructor(onDue: (job: NativeJob) => void) {
    this.#onDue = onDue;
  }

  /** Takes the place of an earlier deferral of the image. Its timer keeps no process alive. */
  add(image: ImageIdentity, job: NativeJob, until: number): void {
    this.forget(image);
    const deferral = { image, job, until };
    this.#deferrals.add(deferral);
    this.#wait(deferral);
  }

  has(image: ImageIdentity): boolean {
    return this.#find(image) !== undefined;
  }

  /** The program has the image: it is not offered to it when the time comes. */
  forget(image: ImageIdentity): void {
    const deferral = this.#find(image);
    if (deferral === undefined) return;
    clearTimeout(deferral.timer);
    this.#deferrals.delete(deferral);
  }

  close(): void {
    for (const { timer } of this.#deferrals) clearTimeout(timer);
    this.#deferrals.clear();
  }

  #wait(deferral: Deferral): void {
    const ms = Math.min(Math.max(deferral.until - Date.now(), 0), LOOK_MS);
    deferral.timer = setTimeout(() => this.#look(deferral), ms).unref();
  }

  #look(deferral: Deferral): void {
    if (deferral.until > Date.now()) {
      this.#wait(deferral);
      return;
    }
    this.#deferrals.delete(deferral);
    this.#onDue(deferral.job);
  }

  #find(image: ImageIdentity): Deferral | undefined {
    return [...this.#deferrals].find((it) => isSameImage(it.image, image));
  }
}
