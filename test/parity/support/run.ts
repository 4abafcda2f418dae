import { createHash } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Broker, ECHO, type Sent } from './broker';
import type { Arg, Call, Event, Fetch, Reply, Scenario, Step, Until } from './scenario';
import { makeImage, Server } from './server';

/** One way to call the functions: the C library in its driver, or the addon. */
export interface Backend {
  readonly events: Event[];
  call(fn: string, args: readonly Arg[]): Promise<Reply>;
  close(): Promise<void>;
}

/** All that a scenario has shown. Two ways that do the same have equal ones. */
export interface Outcome {
  readonly replies: readonly { readonly call: string; readonly reply: Reply }[];
  readonly events: readonly Event[];
  readonly packets: readonly Omit<Sent, 'connection'>[];
  readonly requests: readonly string[];
  /** SHA-256 of what was fetched; empty when nothing was kept. */
  readonly file: string;
}

export const DEFAULT_SIZE = 20_000;

// IOTX_MQTT_EVENT_SUBCRIBE_TIMEOUT and _UNSUBCRIBE_TIMEOUT: how busy this machine is. The answer follows.
const LATE: readonly unknown[] = [4, 7];

/** The digests, the sizes and the addresses that stand for the braces in texts. */
export interface Values {
  readonly [name: string]: string;
}

export async function runScenario(scenario: Scenario, backend: Backend): Promise<Outcome> {
  const image = makeImage(scenario.size ?? DEFAULT_SIZE);
  const broker = await Broker.start(scenario.broker, image);
  const server = await Server.start(image, scenario.answers);
  const folder = await mkdtemp(path.join(tmpdir(), 'iotkit-parity-'));
  const values = valuesOf(image, broker, server);
  if (scenario.upgrade) broker.upgrade = fill(scenario.upgrade, values);
  const run = new Run(broker, backend, values, path.join(folder, 'firmware'));
  try {
    for (const [i, step] of scenario.steps.entries()) {
      try {
        await run.take(step);
      } catch (error) {
        throw new Error(`${scenario.name}, step ${i + 1} ${JSON.stringify(step)}`, {
          cause: error,
        });
      }
    }
    await broker.left();
    const file = await readFile(run.file).catch(() => Buffer.alloc(0));
    if (scenario.whole) expect(file.equals(image)).toBe(true);
    return {
      replies: run.replies,
      events: backend.events
        .filter(({ type }) => !LATE.includes(type))
        .map((event) => hideAll(event, values)),
      packets: withoutWaits(broker.sent.map((sent) => hide(sent, values))),
      requests: server.requests,
      file: file.length > 0 ? createHash('sha256').update(file).digest('hex') : '',
    };
  } finally {
    await Promise.all([broker.close(), server.close()]);
    await rm(folder, { recursive: true });
  }
}

/** A scenario in both ways, each with what it leaves open closed. */
export async function runBoth(
  scenario: Scenario,
  one: Backend,
  other: Backend,
): Promise<[Outcome, Outcome]> {
  return await Promise.all([runAndClose(scenario, one), runAndClose(scenario, other)]);
}

export async function runAndClose(scenario: Scenario, backend: Backend): Promise<Outcome> {
  try {
    return await runScenario(scenario, backend);
  } finally {
    await backend.close();
  }
}

class Run {
  readonly replies: { call: string; reply: Reply }[] = [];
  readonly file: string;
  readonly #broker: Broker;
  readonly #backend: Backend;
  readonly #values: Values;
  #echoes = 0;

  constructor(broker: Broker, backend: Backend, values: Values, file: string) {
    this.#broker = broker;
    this.#backend = backend;
    this.#values = values;
    this.file = file;
  }

  async take(step: Step): Promise<void> {
    if ('call' in step) await this.#call(step);
    else if ('until' in step) await this.#until(step.until, step.client);
    else if ('push' in step)
      this.#broker.publish(
        step.topic,
        Buffer.from(fill(step.push, this.#values), 'utf8'),
        step.qos,
      );
    else if ('broker' in step) {
      if (step.broker === 'drop') this.#broker.drop();
      else this.#broker.raw(Buffer.from(step.hex ?? '', 'hex'));
    } else await this.#fetch(step);
  }

  async #call(step: Call): Promise<void> {
    const reply = await this.#ask(step.call, step.args);
    this.replies.push({ call: step.call, reply });
    if (step.expect !== undefined) expect(reply.ret).toBe(step.expect);
  }

  #ask(fn: string, args: readonly Arg[]): Promise<Reply> {
    const filled = args.map((arg) => {
      if (arg === '{mqtt}') return this.#broker.port;
      return typeof arg === 'string' ? fill(arg, this.#values) : arg;
    });
    return this.#backend.call(fn, filled);
  }

  async #until(what: Until, client: string): Promise<void> {
    if ('settled' in what) return this.#settle(client);
    while (!(await this.#is(what, client))) {
      await this.#ask('IOT_MQTT_Yield', [{ handle: client }, 100]);
    }
  }

  async #is(what: Until, client: string): Promise<boolean> {
    const { sent } = this.#broker;
    const count = (name: string) => sent.filter((packet) => packet.name === name).length;
    if ('subscribed' in what) {
      const connection = Math.max(...sent.map((packet) => packet.connection));
      return sent.some(
        (packet) =>
          packet.connection === connection &&
          packet.name === 'SUBSCRIBE' &&
          packet.body.includes(what.subscribed),
      );
    }
    if ('completed' in what) return count('PUBCOMP') >= what.completed;
    if ('acked' in what) return count('PUBACK') >= what.acked;
    if ('published' in what) {
      const published = sent.filter(
        (packet) => packet.name === 'PUBLISH' && packet.body.slice(2).startsWith(what.published),
      );
      return published.length >= what.count;
    }
    if ('connections' in what) return count('CONNECT') >= what.connections;
    if ('fetching' in what) {
      return (await this.#ask('IOT_OTA_IsFetching', [{ handle: what.fetching }])).ret === 1;
    }
    if ('connected' in what) {
      const { ret } = await this.#ask('IOT_MQTT_CheckStateNormal', [{ handle: client }]);
      return (ret === 1) === what.connected;
    }
    return true;
  }

  /** Everything that was sent has arrived, and the device has heard the answers. */
  async #settle(client: string): Promise<void> {
    const topic = `${ECHO}${++this.#echoes}`;
    const hex = Buffer.from(topic).toString('hex');
    await this.#ask('IOT_MQTT_Publish_Simple', [{ handle: client }, topic, 0, 'echo']);
    while (!this.#backend.events.some((event) => event.topic === hex)) {
      await this.#ask('IOT_MQTT_Yield', [{ handle: client }, 100]);
    }
  }

  async #fetch(step: Fetch): Promise<void> {
    const ota: Arg = { handle: step.fetch };
    const keep = (call: string, reply: Reply) => this.replies.push({ call, reply });
    keep('save', await this.#ask('save', [ota, this.file]));
    for (let round = 0; round < (step.limit ?? Number.POSITIVE_INFINITY); round++) {
      const fetched = await this.#ask('IOT_OTA_FetchYield', [
        ota,
        { buffer: step.buffer },
        step.timeout,
      ]);
      keep('IOT_OTA_FetchYield', fetched);
      const end = await this.#ask('IOT_OTA_IsFetchFinish', [ota]);
      if (end.ret === 1) break;
      const yielded = await this.#ask('IOT_MQTT_Yield', [{ handle: step.client }, 100]);
      expect(yielded.ret).toBe(0);
    }
  }
}

export function valuesOf(image: Buffer, broker: Broker, server: Server): Values {
  const md5 = createHash('md5').update(image).digest('hex');
  return {
    size: String(image.length),
    md5,
    MD5: md5.toUpperCase(),
    sha256: createHash('sha256').update(image).digest('hex'),
    url: `http://127.0.0.1:${server.port}`,
    port: String(server.port),
    broker: String(broker.port),
  };
}

export function fill(text: string, values: Values): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
}

/** Takes out what differs from run to run: ports, and ids that the device chose at random. */
export function hide({ name, head, body }: Sent, values: Values): Omit<Sent, 'connection'> {
  return { name, head, body: hideText(body, values) };
}

/** Takes out what a device sends only where it waits long: pings, and a block asked for again. */
function withoutWaits(packets: Omit<Sent, 'connection'>[]): Omit<Sent, 'connection'>[] {
  return packets.filter(({ name, body }, i) => {
    const isSame = name === packets[i - 1]?.name && body === packets[i - 1]?.body;
    return name !== 'PINGREQ' && !(isSame && body.includes('/thing/file/download'));
  });
}

function hideText(text: string, values: Values): string {
  return text
    .replaceAll(`:${values.port}`, ':{port}')
    .replace(/"id":"?\d+"?/g, '"id":"#"')
    .replace(MAKER, '');
}

function hideAll(event: Event, values: Values): Event {
  return JSON.parse(hideText(JSON.stringify(event), values)) as Event;
}

// Of HAL functions, which the driver defines and the addon does not.
const MAKER = ',pid=example.demo.partner-id,mid=example.demo.module-id';

/** How many values of two outcomes a comparison looks at. */
export function countValues(value: unknown): number {
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + countValues(item), 0);
  if (value !== null && typeof value === 'object') return countValues(Object.values(value));
  return 1;
}
