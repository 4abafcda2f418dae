/** The versions that a device has reported, and the reports that wait to be acknowledged. */
import { IotkitError } from '../base/errors';
import { moduleKey } from '../download/image-identity';

/** Sends a report: its packet id, 0: it is kept until it can be sent; or a negative error. */
export type SendVersion = (version: string, module: string) => number;

interface WaitingReport {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class VersionReports {
  readonly #send: SendVersion;
  /** By packet id. */
  readonly #waiting = new Map<number, WaitingReport>();
  /** The version last reported, by module. */
  readonly #versions = new Map<string, string>();

  constructor(send: SendVersion) {
    this.#send = send;
  }

  /**
   * Sends a report; the promise resolves when the platform has acknowledged it, or at once where it is
   * kept.
   *
   * @throws IotkitError ERR_QUEUE_FULL and others that keep it from being sent, not as a rejection
   */
  report(version: string, module: string): Promise<void> {
    const packetId = this.#send(version, module);
    if (packetId < 0) throw IotkitError.fromErrno(packetId);
    this.#versions.set(moduleKey(module), version);
    if (packetId === 0) return Promise.resolve();
    return new Promise<void>((resolve, reject) => {
      this.#waiting.set(packetId, { resolve, reject });
    });
  }

  /** The version last reported for a module in this process. */
  current(module: string): string | undefined {
    return this.#versions.get(moduleKey(module));
  }

  /** The platform has acknowledged a report, or the connection has given it up. */
  settle(packetId: number, errno: number, detail: string): void {
    const report = this.#waiting.get(packetId);
    if (report === undefined) return;
    this.#waiting.delete(packetId);
    if (errno === 0) report.resolve();
    else report.reject(IotkitError.fromErrno(errno, detail));
  }

  /** All that wait fail with `error`. */
  close(error: IotkitError): void {
    for (const report of this.#waiting.values()) report.reject(error);
    this.#waiting.clear();
  }
}
