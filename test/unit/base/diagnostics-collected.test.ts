import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type * as Diagnostics from '../../../lib/base/diagnostics';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const name = 'iotkit-ota:download:end';

/** Until the runtime has tidied up after what was collected before this call. */
async function tidied(): Promise<void> {
  let isDone = false;
  const registry = new FinalizationRegistry(() => {
    isDone = true;
  });
  (() => registry.register({}, undefined))();
  while (!isDone) {
    await turn();
    collect();
  }
}

// Node.js 20 forgets then a channel that was made between the two.
test('an event is heard where a channel of its name was collected before', async () => {
  (() => channel(name))();
  await turn();
  collect();
  const { publish }: typeof Diagnostics = require('../../../lib/base/diagnostics');
  publish('downloadEnd', { at: 'first' });
  await tidied();
  const heard: unknown[] = [];
  const listener = (event: unknown): void => {
    heard.push(event);
  };
  subscribe(name, listener);
  publish('downloadEnd', { at: 'second' });
  unsubscribe(name, listener);
  expect(heard).toEqual([{ at: 'second' }]);
});
