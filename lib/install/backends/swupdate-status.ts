// Tested by test/peers/install/swupdate.test.ts and test/unit/install/backends/swupdate.test.ts.
/**
 * What SWUpdate says of an installation, asked over its control socket. `swupdate-client` asks too, but not
 * once the daemon has broken off the image. The layout of the messages differs between versions and
 * machines: an answer of another one than is known here counts as none.
 */
import { connect } from 'node:net';
import { endianness, tmpdir } from 'node:os';
import path from 'node:path';

/** @internal What the daemon has said, once. */
export interface StatusMessage {
  /** `idle` 0, `start` 1, `run` 2, `success` 3, `failure` 4. */
  readonly status: number;
  readonly text: string;
}

/** @internal What a daemon answers that is known here. */
export interface DaemonStatus {
  /** What it has said since it was last asked, the oldest first: each answer takes one away. */
  readonly messages: readonly StatusMessage[];
  /** It has an image under way. */
  readonly isBusy: boolean;
  /** It takes an image. After one that has failed it is neither this nor busy, until it has cleared up. */
  readonly isIdle: boolean;
}

const status = { idle: 0, start: 1, run: 2, failure: 4 } as const;

// struct ipc_message of 2022.12, where pointers have 8 bytes: magic, type, then the status, the last
// result, an error, and 2,048 bytes of text.
const SIZE = 3120;
const MAGIC = 0x14052001;
const ACK = 1;
const GET_STATUS = 3;
const TEXT_AT = 20;
const TEXT_END = TEXT_AT + 2048;
const STATUS_MAX = 8;
const narrow = ['arm', 'ia32', 'mips', 'mipsel', 'ppc', 's390'];
const isKnownMachine = endianness() === 'LE' && !narrow.includes(process.arch);

/** How long an answer may take, to its last byte. */
const ANSWER_MS = 500;
/** How long all of them may take: in `/tmp` anybody may have made the socket. */
const ALL_MS = 2000;
/** The daemon keeps 100 messages. */
const MESSAGES_MAX = 200;

/**
 * @internal undefined: it does not run, or speaks in another layout.
 *
 * @param directory with the socket, where it is not one of the usual ones
 */
export async function daemonStatus(
  directory: string | undefined,
): Promise<DaemonStatus | undefined> {
  if (!isKnownMachine) return undefined;
  const usual = [tmpdir(), '/run/swupdate', '/tmp'];
  for (const folder of directory === undefined ? usual : [directory]) {
    const found = await statusAt(path.join(folder, 'sockinstctrl'));
    if (found !== undefined) return found;
  }
  return undefined;
}

async function statusAt(socket: string): Promise<DaemonStatus | undefined> {
  const messages: StatusMessage[] = [];
  const end = performance.now() + ALL_MS;
  for (let i = 0; i < MESSAGES_MAX && performance.now() < end; i += 1) {
    const message = messageOf(await ask(socket));
    if (message === undefined) return i === 0 ? undefined : { messages, ...unknown };
    // Without a message the status is the daemon's own; with one it is that of what is told.
    if (message.text === '') {
      const isIdle = message.status === status.idle;
      return { messages, isBusy: isUnderWay(message), isIdle };
    }
    messages.push(message);
  }
  return { messages, ...unknown };
}

/** Of a daemon that did not come to say so: nobody waits for it. */
const unknown = { isBusy: false, isIdle: true } as const;

function isUnderWay(message: StatusMessage): boolean {
  return message.status === status.start || message.status === status.run;
}

/** All that the daemon answers to one question; it closes after it. */
function ask(socket: string): Promise<Buffer> {
  return new Promise((resolve) => {
    const request = Buffer.alloc(SIZE);
    request.writeInt32LE(MAGIC, 0);
    request.writeInt32LE(GET_STATUS, 4);
    const chunks: Buffer[] = [];
    let length = 0;
    const connection = connect(socket, () => connection.write(request));
    const timer = setTimeout(() => connection.destroy(), ANSWER_MS);
    connection.on('data', (chunk) => {
      chunks.push(chunk);
      length += chunk.length;
      if (length > SIZE) connection.destroy();
    });
    connection.on('error', () => {});
    connection.on('close', () => {
      clearTimeout(timer);
      resolve(Buffer.concat(chunks));
    });
  });
}

function messageOf(answer: Buffer): StatusMessage | undefined {
  if (answer.length !== SIZE) return undefined;
  const [magic, type, found] = [0, 4, 8].map((at) => answer.readInt32LE(at)) as [
    number,
    number,
    number,
  ];
  const end = answer.indexOf(0, TEXT_AT);
  const isKnown =
    magic === MAGIC && type === ACK && found >= 0 && found <= STATUS_MAX && end < TEXT_END;
  if (!isKnown || end < 0) return undefined;
  return { status: found, text: answer.toString('utf8', TEXT_AT, end) };
}

/** @internal The reasons among them, of the last installation that has begun. */
export function failuresOf(messages: readonly StatusMessage[]): readonly string[] {
  const last = messages.findLastIndex((message) => message.status === status.start);
  return messages
    .slice(last + 1)
    .filter((message) => message.status === status.failure)
    .map(({ text }) => reasonOf(text));
}

/** @internal Without the place in the daemon's sources that its messages begin with. */
export function reasonOf(text: string): string {
  return text.replace(/^ERROR (?:\S+ : \w+ : \d+ )?: /, '').trim();
}
