import type { Socket } from 'node:net';

/** How many connections a listener has at once. */
export interface ConnectionLimits {
  readonly total: number;
  readonly perAddress: number;
}

/** What an HTTP listener, or a connection that has not signed in yet, may cost. */
export interface TimeLimits {
  /** For a TLS handshake, the head of a request, or a device's sign-in. */
  readonly headMs: number;
  /** Between two requests, and in which nothing of an answer is taken. */
  readonly idleMs: number;
  /** A body that comes more slowly is given up. */
  readonly minUploadBytesPerSecond: number;
}

interface Entry {
  readonly socket: Socket;
  readonly address: string;
  isBusy: boolean;
}

/**
 * The open connections of a listener, within its limits. At a limit the connection that has waited
 * longest with nothing to do makes room for a new one, so that silent ones keep nobody out; where all
 * are busy, the new one is refused.
 */
export class Connections {
  readonly #limits: ConnectionLimits;
  /** In the order in which they came, or were last busy. */
  readonly #open = new Map<string, Entry>();
  readonly #perAddress = new Map<string, number>();

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Takes a new connection, or ends it. */
  admit(socket: Socket): void {
    const address = socket.remoteAddress ?? '';
    const id = idOf(socket);
    const { total, perAddress } = this.#limits;
    const ofAddress = this.#perAddress.get(address) ?? 0;
    const isFull = this.#open.size >= total || ofAddress >= perAddress;
    if (isFull && !this.#evict(ofAddress >= perAddress ? address : undefined)) {
      socket.destroy();
      return;
    }
    this.#open.set(id, { socket, address, isBusy: false });
    this.#count(address, 1);
    socket.once('close', () => this.#forget(id, socket));
  }

  /** A connection, or the one of TLS over it, has something to do, or no longer. */
  setBusy(socket: Socket, isBusy: boolean): void {
    const id = idOf(socket);
    const entry = this.#open.get(id);
    if (entry === undefined) return;
    entry.isBusy = isBusy;
    this.#open.delete(id);
    this.#open.set(id, entry);
  }

  closeAll(): void {
    for (const { socket } of this.#open.values()) socket.destroy();
  }

  #evict(address: string | undefined): boolean {
    for (const [id, entry] of this.#open) {
      if (entry.isBusy || (address !== undefined && entry.address !== address)) continue;
      this.#forget(id, entry.socket);
      entry.socket.destroy();
      return true;
    }
    return false;
  }

  #forget(id: string, socket: Socket): void {
    const entry = this.#open.get(id);
    if (entry?.socket !== socket) return;
    this.#open.delete(id);
    this.#count(entry.address, -1);
  }

  #count(address: string, change: number): void {
    const count = (this.#perAddress.get(address) ?? 0) + change;
    if (count > 0) this.#perAddress.set(address, count);
    else this.#perAddress.delete(address);
  }
}

/** The same for a connection and for TLS over it. */
function idOf({ remoteAddress, remotePort }: Socket): string {
  return `${remoteAddress} ${remotePort}`;
}
