// Tested by test/unit/cli/agent/control.test.ts
/**
 * What other commands ask a running agent: a socket beside its record, for its user and root alone. One line of
 * JSON is asked, one is answered. The agent has its record's lock before it listens, so a socket that is left over
 * is nobody's.
 */
import { rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { UpdateAgent } from '../../install/agent';
import type { ConsentRequest } from '../../install/consent';
import { CommandError, ConfigError, UsageError } from '../errors';

/** An update that waits for a user's consent. */
export interface Waiting extends Pick<ConsentRequest, 'step' | 'version' | 'from' | 'size'> {
  /** `default`, or its name. */
  readonly module: string;
}

export type Asked =
  | {
      readonly ask: 'waiting';
      /** undefined: of all. */
      readonly module?: string | undefined;
    }
  | {
      readonly ask: 'answer';
      readonly accept: boolean;
      /** undefined: of the only one that waits. */
      readonly module?: string | undefined;
      /** What the user has seen; undefined: whatever waits. */
      readonly version?: string | undefined;
      /** Of a refusal. */
      readonly reason?: string | undefined;
    };

/** Of `waiting` what waits, of `answer` what was answered. */
export type Answer =
  | { readonly ok: true; readonly pid: number; readonly updates: readonly Waiting[] }
  | { readonly ok: false; readonly message: string };

const LINE_MAX = 16 * 1024;
const QUIET_MS = 10_000;
const PRIVATE_UMASK = 0o177;
/** Of the address of a socket, on macOS; a longer one would be cut and be another's. */
const PATH_BYTES_MAX = 103;

export function socketOf(record: string): string {
  return `${record}.sock`;
}

/**
 * Nobody could answer an agent that has no socket, and it would wait for ever.
 *
 * @throws ConfigError
 */
export function expectAnswerable(record: string): void {
  const most = PATH_BYTES_MAX - socketOf('').length;
  const bytes = Buffer.byteLength(record);
  if (bytes <= most) return;
  const why = `beside it is the socket by which policy.consent is answered; it has ${bytes}`;
  throw new ConfigError(`record must be a path of at most ${most} bytes, because ${why}`, 'record');
}

/** The answering side, in the agent. */
export class ControlServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #agent: Pick<UpdateAgent, 'on'>;

  /** @param onError hears once that there is no socket: the agent works without one, but for consents */
  constructor(agent: Pick<UpdateAgent, 'on'>, record: string, onError: (message: string) => void) {
    this.#agent = agent;
    this.#server = createServer((socket) => this.#take(socket));
    this.#server.on('error', (error) => onError(`other commands cannot ask: ${error.message}`));
    this.#listen(socketOf(record));
    this.#server.unref();
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #listen(path: string): void {
    // The socket is bound at once, so nobody else's file is made with this mask.
    const mask = process.umask(PRIVATE_UMASK);
    try {
      if (Buffer.byteLength(path) > PATH_BYTES_MAX) throw new Error(`${path} is too long a path`);
      rmSync(path, { force: true });
      this.#server.listen(path);
    } catch (error) {
      this.#server.emit('error', error);
    } finally {
      process.umask(mask);
    }
  }

  #take(socket: Socket): void {
    this.#sockets.add(socket);
    socket.once('close', () => this.#sockets.delete(socket));
    socket.on('error', () => {}); // who asked has gone
    socket.setTimeout(QUIET_MS, () => socket.destroy());
    lineOf(socket).then(
      (line) => socket.end(`${JSON.stringify(this.#answer(line))}\n`),
      () => socket.destroy(),
    );
  }

  #answer(line: string): Answer {
    try {
      const asked = JSON.parse(line) as Partial<Asked>;
      if (asked.ask === 'waiting') return answered(this.#waiting(asked));
      if (asked.ask === 'answer' && typeof asked.accept === 'boolean') {
        return this.#decide(asked as Extract<Asked, { readonly ask: 'answer' }>);
      }
    } catch {
      // It is no JSON, or no object.
    }
    return {
      ok: false,
      message: 'the agent does not know what was asked: is it of another release?',
    };
  }

  /** The agent itself knows which questions have no answer yet: who listens late hears of them. */
  #waiting({ module, version }: { readonly module?: unknown; readonly version?: unknown }) {
    const found: ConsentRequest[] = [];
    this.#agent.on('consent', (request) => found.push(request)).off();
    return found.filter((request) => {
      const isOfModule = module === undefined || nameOf(request) === module;
      return isOfModule && (version === undefined || request.version === version);
    });
  }

  #decide(asked: Extract<Asked, { readonly ask: 'answer' }>): Answer {
    const { accept, module, version, reason } = asked;
    const found = this.#waiting({ module, version });
    const [request] = found;
    if (request === undefined) return { ok: false, message: this.#nothing(asked) };
    if (found.length > 1) {
      const names = found.map(nameOf).join(', ');
      return { ok: false, message: `several updates wait: choose with --module one of ${names}` };
    }
    if (accept) request.accept();
    else request.refuse(typeof reason === 'string' ? reason.slice(0, 1024) : undefined);
    return answered([request]);
  }

  /** Whoever has named what does not wait hears what does. */
  #nothing({ module, version }: Extract<Asked, { readonly ask: 'answer' }>): string {
    const others = this.#waiting({});
    if (others.length === 0) return 'nothing waits for consent';
    const named = [module, version].filter((it) => typeof it === 'string').join(' ');
    const list = others.map((it) => `${nameOf(it)} ${it.version}`).join(', ');
    return `${named} does not wait for consent, but ${list}`;
  }
}

/**
 * The asking side.
 *
 * @returns undefined: no agent runs that has this record
 * @throws UsageError (it is too long); CommandError ERR_TIMEOUT, ERR_CONNECTION_CLOSED; the error of the system, such
 *   as EACCES
 */
export async function askAgent(record: string, asked: Asked): Promise<Answer | undefined> {
  if (Buffer.byteLength(socketOf(record)) > PATH_BYTES_MAX) return undefined;
  const line = JSON.stringify(asked);
  if (line.length > LINE_MAX) throw new UsageError('what is asked is too long for the agent');
  const socket = connect(socketOf(record));
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve).once('error', reject);
    });
    socket.setTimeout(QUIET_MS, () =>
      socket.destroy(new CommandError('ERR_TIMEOUT', 'the agent does not answer')),
    );
    socket.write(`${line}\n`);
    return JSON.parse(await lineOf(socket)) as Answer;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ECONNREFUSED') return undefined;
    throw code === 'ECONNRESET' || code === 'EPIPE' ? closed() : error;
  } finally {
    socket.destroy();
  }
}

function lineOf(socket: Socket): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    socket.setEncoding('utf8');
    socket.on('data', (part: string) => {
      text += part;
      const end = text.indexOf('\n');
      if (end >= 0) resolve(text.slice(0, end));
      else if (text.length > LINE_MAX) reject(new Error('a line that is too long'));
    });
    socket.once('error', reject);
    socket.once('close', () => reject(closed()));
  });
}

/** Nobody can say whether what was asked is done. */
function closed(): CommandError {
  return new CommandError('ERR_CONNECTION_CLOSED', 'the agent has ended before it answered');
}

function answered(requests: readonly ConsentRequest[]): Answer {
  const updates = requests.map((request) => {
    const { step, version, from, size } = request;
    return { module: nameOf(request), version, from, size, step };
  });
  return { ok: true, pid: process.pid, updates };
}

function nameOf({ module }: Pick<ConsentRequest, 'module'>): string {
  return module === '' ? 'default' : module;
}
