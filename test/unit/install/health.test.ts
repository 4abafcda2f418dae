import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Clock } from '../../../lib/install/clock';
import { checkHealth, type HealthCheck, prove, type Said } from '../../../lib/install/health';

const signal = new AbortController().signal;
const options = { holdMs: 10_000, withinMs: 60_000, everyMs: 5000 };

/** A clock that calls `onSleep` with the time, in place of waiting. */
function clockOf(onSleep: (time: number) => void = () => {}) {
  const clock: Clock & { time: number; set: number } = {
    time: 0,
    set: 0,
    now() {
      return this.time + this.set;
    },
    elapsed() {
      return this.time;
    },
    async sleep(ms) {
      this.time += ms;
      onSleep(this.time);
    },
  };
  return clock;
}

const vitals = (isConnected = true, said?: Said) => ({
  isConnected: () => isConnected,
  said: () => said,
});

function proven(check: HealthCheck, clock = clockOf()): Promise<string | undefined> {
  return prove(checkHealth({ ...options, checks: [check] }), vitals(), clock, signal);
}

test('checks have to hold for the whole time', async () => {
  const clock = clockOf();
  expect(await prove(checkHealth(options), vitals(), clock, signal)).toBeUndefined();
  expect(clock.time).toBe(10_000);
});

test.each([-86_400_000, 86_400_000])(
  'a clock that is set by %d ms counts for nothing',
  async (by) => {
    const clock = clockOf((time) => {
      if (time === 5000) clock.set = by;
    });
    expect(await prove(checkHealth(options), vitals(), clock, signal)).toBeUndefined();
    expect(clock.time).toBe(10_000);
    const never = clockOf((time) => {
      if (time === 5000) never.set = by;
    });
    expect(await prove(checkHealth(options), vitals(false), never, signal)).toContain('connected');
    expect(never.time).toBe(60_000);
  },
);

test('an interruption begins the time anew', async () => {
  let time = 0;
  const clock = clockOf((now) => {
    time = now;
  });
  expect(await proven(() => time !== 5000, clock)).toBeUndefined();
  expect(clock.time).toBe(20_000);
});

test('what does not hold in time is the reason', async () => {
  const clock = clockOf();
  const health = checkHealth(options);
  expect(await prove(health, vitals(false), clock, signal)).toContain('not connected');
  expect(clock.time).toBe(60_000);
  const called = checkHealth({ ...options, checks: ['called'] });
  expect(await prove(called, vitals(), clockOf(), signal)).toContain('healthy()');
  const said = { healthy: true, reason: '' };
  expect(await prove(called, vitals(false, said), clockOf(), signal)).toBeUndefined();
  const flapping = clockOf();
  const flaps = (): boolean => flapping.time % 10_000 === 0;
  expect(await proven(flaps, flapping)).toBeDefined();
});

test('unhealthy() ends it at once', async () => {
  const clock = clockOf();
  const said = { healthy: false, reason: 'no display' };
  expect(await prove(checkHealth(options), vitals(true, said), clock, signal)).toBe('no display');
  expect(clock.time).toBe(0);
});

test('a function, and what it throws', async () => {
  expect(await proven(() => undefined)).toBeUndefined();
  expect(await proven(async () => false)).toContain('said false');
  expect(
    await proven(() => {
      throw new Error('no sensor');
    }),
  ).toBe('no sensor');
});

test('a command, by its exit code', async () => {
  expect(await proven({ argv: ['true'] })).toBeUndefined();
  expect(await proven({ argv: ['sh', '-c', 'echo no bus; exit 3'] })).toBe(
    'sh ended with 3: no bus',
  );
  expect(await proven({ argv: ['sleep', '600'], timeoutMs: 1 })).toContain('ran over 1 ms');
});

test('an address, by its status', async () => {
  let status = 204;
  const server = createServer((_, answer) => answer.writeHead(status).end()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/health`;
  expect(await proven({ url })).toBeUndefined();
  status = 503;
  expect(await proven({ url })).toBe(`${url} answered 503`);
  const secret = 'token=5ecret#5ecret';
  expect(await proven({ url: `${url}?${secret}` })).toBe(`${url} answered 503`);
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
  expect(await proven({ url })).toContain('ECONNREFUSED');
  expect(await proven({ url: `${url}?${secret}` })).not.toContain('5ecret');
});

test.each(['http://user:5ecret@127.0.0.1/', 'http:///5ecret', 'ftp://5ecret', 'http://[5ecret/'])(
  'an address such as %s is refused, and not shown',
  (url) => {
    const check = (): unknown => checkHealth({ checks: [{ url }] });
    expect(check).toThrow('health.checks[0].url must be an http: or https: URL');
    expect(check).not.toThrow('5ecret');
  },
);

test('a function that never ends is a failure, and heeds the signal', async () => {
  const clock = clockOf();
  let ended: unknown;
  const never = (ending: AbortSignal): Promise<never> => {
    ending.addEventListener('abort', () => {
      clock.time += 60;
      ended = ending.reason;
    });
    return new Promise(() => {});
  };
  const health = checkHealth({ checks: [never], holdMs: 10, withinMs: 50, everyMs: 1 });
  expect(await prove(health, vitals(), clock, signal)).toContain('never did not end within 50 ms');
  expect(ended).toBeInstanceOf(Error);
  const abort = new AbortController();
  const proving = prove(checkHealth({ checks: [never] }), vitals(), clock, abort.signal);
  abort.abort('enough');
  await expect(proving).rejects.toBe('enough');
});

test('the signal ends it', async () => {
  const abort = new AbortController();
  const clock = clockOf(() => abort.abort('enough'));
  await expect(prove(checkHealth(options), vitals(), clock, abort.signal)).rejects.toBe('enough');
});
