import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { channelNames, type Device, type IotkitError, type RefusedEvent } from 'iotkit-ota';

/** Why the next message to a device is refused by it. */
export function nextRefusal(device: Device): Promise<IotkitError> {
  return new Promise((resolve) => {
    const listen = (message: unknown): void => {
      const event = message as RefusedEvent;
      if (event.device !== device) return;
      unsubscribe(channelNames.refused, listen);
      resolve(event.error);
    };
    subscribe(channelNames.refused, listen);
  });
}
