import type { TracingChannel } from 'node:diagnostics_channel';

/** What a tracing channel publishes while `call` runs: each event with a copy of its context. */
export async function heardOn<Context extends object>(
  channel: TracingChannel<unknown, Context>,
  call: () => Promise<unknown>,
): Promise<[event: string, context: Context][]> {
  const heard: [string, Context][] = [];
  const note = (event: string) => (context: unknown) =>
    void heard.push([event, { ...(context as Context) }]);
  const subscribers = {
    start: note('start'),
    end: note('end'),
    asyncStart: note('asyncStart'),
    asyncEnd: note('asyncEnd'),
    error: note('error'),
  };
  channel.subscribe(subscribers);
  try {
    await call();
  } finally {
    channel.unsubscribe(subscribers);
  }
  return heard;
}
