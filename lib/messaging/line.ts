// Tested by test/unit/messaging/messaging.test.ts
/** What the messages of all devices of one connection share: its rate, what is in flight, what comes. */
import type { NativeDevice } from '../addon/binding';
import { Flights } from './flights';
import { Inbox } from './inbox';
import type { CheckedMessages } from './options';
import { type OtaPace, Pacer } from './pacer';

const noOta: OtaPace = { asksForBlocks: () => false, takeTurn: () => 0 };

export class MessageLine {
  readonly pacer: Pacer;
  readonly flights = new Flights();
  readonly inbox: Inbox;

  constructor(
    native: Pick<NativeDevice, 'holdReading'>,
    { rate, isPersistent }: Pick<CheckedMessages, 'rate' | 'isPersistent'>,
    ota = noOta,
  ) {
    this.pacer = new Pacer(rate, ota);
    this.inbox = new Inbox((held) => native.holdReading(held), isPersistent);
  }
}
