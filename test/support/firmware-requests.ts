import type { World } from './world';

export interface FirmwareRequest {
  readonly status: number;
  readonly range: string | undefined;
  /** How much of the body was sent. */
  readonly bytes: number;
}

/** The requests for firmware that the platform has answered from now on. */
export class FirmwareRequests {
  readonly #world: World;
  readonly #all: FirmwareRequest[] = [];

  constructor(world: World) {
    this.#world = world;
    world.platform.on('download', ({ status, range, bytes }) =>
      this.#all.push({ status, range, bytes }),
    );
  }

  /**
   * All of them, when there are `count` at least: the platform tells of an answer when its last byte
   * has left, which the device may have read by then.
   */
  async told(count: number): Promise<readonly FirmwareRequest[]> {
    while (this.#all.length < count) await this.#world.platform.waitFor('download');
    return this.#all;
  }
}
