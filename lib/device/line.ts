// Tested by test/integration/gateway.test.ts
/** What all devices of one connection share: a gateway and its sub-devices. */
import type { NativeDevice } from '../addon/binding';
import { MessageLine } from '../messaging/line';
import type { CheckedMessages } from '../messaging/options';
import type { Ota } from '../ota/ota';
import { ProgressPace } from '../ota/progress-pace';

export class Line {
  readonly progress = new ProgressPace();
  readonly messages: MessageLine;
  /** Those that there are. */
  readonly otas = new Set<Ota>();

  constructor(native: NativeDevice, options: CheckedMessages) {
    this.messages = new MessageLine(native, options, {
      asksForBlocks: () => this.#asksForBlocks(),
      takeTurn: () => this.progress.takeTurn(),
    });
  }

  #asksForBlocks(): boolean {
    for (const ota of this.otas) if (ota.asksForBlocks()) return true;
    return false;
  }
}
