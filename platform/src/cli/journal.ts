import pino, { type Logger } from 'pino';
import type { Log, Platform, PlatformEvent } from '../index';
import { UpgradeBars } from './bars';
import { describe } from './event-lines';
import { LogOutput } from './log-output';
import { escapeJson, printable } from './printable';

/** What `serve` tells while it runs. */
export interface Journal {
  /** For what the platform itself has to log; undefined where that is too much. */
  readonly log: Log | undefined;
  ready(addresses: readonly (readonly [string, string])[]): void;
  say(line: string): void;
  /** Tells what happens from now on; quietly, only what is wrong with the platform itself. */
  follow(platform: Platform, isQuiet?: boolean): void;
  close(): void;
}

/** Members that are never written, wherever they might turn up. */
const SECRETS = ['deviceSecret', 'password', 'token', 'operatorToken', 'authorization', 'url'];

/** What is wrong with the platform itself, or no longer. */
const TROUBLE: readonly PlatformEvent['type'][] = [
  'state-health',
  'state-problem',
  'broker-health',
];

/** Lines for people; on a terminal with a bar for each upgrade that runs. */
export class TextJournal implements Journal {
  readonly log = undefined;
  readonly #output: LogOutput;
  readonly #bars: UpgradeBars | undefined;

  constructor(stream: NodeJS.WriteStream) {
    this.#output = new LogOutput(stream, (lost) => `${lost} lines of this log were lost\n`);
    if (stream.isTTY) this.#bars = new UpgradeBars(stream);
  }

  ready(addresses: readonly (readonly [string, string])[]): void {
    for (const [name, value] of addresses) this.say(`${name.padEnd(10)} ${value}`);
    this.say('ready');
  }

  say(text: string): void {
    const line = printable(text);
    if (this.#bars === undefined) this.#output.write(`${line}\n`);
    else this.#bars.log(line);
  }

  follow(platform: Platform, isQuiet = false): void {
    void eachEvent(platform, isQuiet, (event) => {
      const line = describe(event);
      if (line !== undefined) this.say(`${new Date(event.time).toISOString()} ${line}`);
      if (event.type !== 'task-changed' && event.type !== 'progress') return;
      const upgrade = platform.upgrades.get(event.upgradeId);
      if (upgrade !== undefined) this.#bars?.show(upgrade);
    });
  }

  close(): void {
    this.#bars?.close();
  }
}

/** A line of JSON for each thing that happens, for machines. */
export class JsonJournal implements Journal {
  readonly #logger: Logger;

  constructor(stream: NodeJS.WritableStream) {
    const output = new LogOutput(stream, (lost) => {
      const time = new Date().toISOString();
      return `${JSON.stringify({ level: 'error', time, lost, msg: 'lines of this log were lost' })}\n`;
    });
    this.#logger = pino(
      {
        base: null,
        timestamp: pino.stdTimeFunctions.isoTime,
        formatters: { level: (level) => ({ level }) },
        redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`]), censor: '(secret)' },
      },
      { write: (line: string) => output.write(escapeJson(line)) },
    );
  }

  readonly log: Log = (level, name, members) => this.#logger[level](members, name);

  ready(addresses: readonly (readonly [string, string])[]): void {
    this.#logger.info({ addresses: Object.fromEntries(addresses) }, 'ready');
  }

  say(line: string): void {
    this.#logger.info(line);
  }

  follow(platform: Platform, isQuiet = false): void {
    void eachEvent(platform, isQuiet, ({ type, time: _, ...members }) => {
      this.#logger[levelOf(type, members)](members, type);
    });
  }

  close(): void {
    this.#logger.flush();
  }
}

async function eachEvent(
  platform: Platform,
  isQuiet: boolean,
  tell: (event: PlatformEvent) => void,
): Promise<void> {
  for await (const event of platform.events()) {
    if (!isQuiet || TROUBLE.includes(event.type)) tell(event);
  }
}

function levelOf(type: PlatformEvent['type'], members: object): 'info' | 'warn' | 'error' {
  if (type === 'state-problem') return 'error';
  if (type === 'bad-message' || type === 'device-refused') return 'warn';
  const { degraded, connected } = members as { degraded?: boolean; connected?: boolean };
  return degraded === true || connected === false ? 'error' : 'info';
}
