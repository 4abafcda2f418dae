import { Shutdown } from '../../src/assembly/shutdown';
import { ManualClock } from '../../src/base/clock';
import { Events } from '../../src/events/events';

test('steps are taken backwards, each of them, and the first error is kept', async () => {
  const shutdown = new Shutdown(new Events(new ManualClock()));
  const order: string[] = [];
  const step = (name: string, fails = false) => {
    shutdown.add(async () => {
      order.push(name);
      if (fails) throw new Error(name);
    });
  };
  step('store');
  step('broker', true);
  step('api', true);
  step('listener');
  await expect(shutdown.run()).rejects.toThrow('api');
  expect(order).toEqual(['listener', 'api', 'broker', 'store']);
});

test('whoever waits for something hears of it before the first step', async () => {
  const events = new Events(new ManualClock());
  const shutdown = new Shutdown(events);
  const waiting = events.waitFor('device-connected');
  const closed = expect(waiting).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  shutdown.add(() => expect(shutdown.signal.aborted).toBe(true));
  await shutdown.run();
  await closed;
});
