import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { Exchange, Reply } from './fault-server';

// What a FaultServer can answer: a right answer with this or that wrong, and what is no answer.

/** Bytes of the image, `end` not included. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/** Several values make several lines; null takes the field away. */
export type Field = string | number | readonly string[] | null;

/** How an answer ends. */
export type Ending =
  /** The connection stays for another request. */
  | 'keep'
  /** close_notify and FIN. */
  | 'close'
  /** FIN alone. */
  | 'cut'
  | 'reset'
  /** Nothing follows; the connection stays until the client ends it. */
  | 'stall';

/** A right answer, but for what is given. */
export interface Serving {
  /** Another one than the server's. */
  readonly image?: Buffer;
  /** Default: a strong one of the image. Null: none. */
  readonly etag?: string | null;
  /** False: every request is answered with the whole image. Default true. */
  readonly ranges?: boolean;
  /** Other bytes than those asked for; Content-Range and Content-Length say so. */
  readonly span?: (asked: Span) => Span;
  readonly version?: '1.0' | '1.1';
  /** "200 OK" by default, "206 Partial Content" for a range. */
  readonly status?: string;
  /** Fields to add, to replace or to leave out. */
  readonly fields?: Readonly<Record<string, Field | ((span: Span) => Field)>>;
  /** Text in front of the status line. */
  readonly before?: string;
  /** The head as it is sent, status line and all. */
  readonly head?: (head: string) => string;
  /** The chunked coding of the body, instead of Content-Length. */
  readonly chunked?: (body: Buffer) => Iterable<string | Buffer>;
  /** Offset in the image of a byte that is inverted. */
  readonly corruptAt?: number;
  /** How many bytes of the body are sent, and then the ending. Default: all. */
  readonly after?: number;
  /** Default `'keep'`. */
  readonly ending?: Ending;
  /** Bytes behind the body. */
  readonly extra?: string | Buffer;
  /** Bytes of the body in each write. Default: 64 KiB. */
  readonly step?: number;
  readonly bytesPerSecond?: number;
  /** Awaited after each write, where no clock is to say when the next one comes. */
  readonly pace?: () => Promise<unknown>;
}

const STEP_BYTES = 64 * 1024;

/** The image, or the part of it that is asked for. */
export function serve(serving: Serving = {}): Reply {
  return async (exchange) => {
    const image = serving.image ?? exchange.image;
    const etag = serving.etag === undefined ? etagOf(image) : serving.etag;
    const asked = askedFor(exchange, image, { ...serving, etag });
    if (asked === undefined) {
      const fields = { 'Content-Range': `bytes */${image.length}`, 'Content-Length': 0 };
      await status('416 Range Not Satisfiable', { fields })(exchange);
      return;
    }
    const whole = { start: 0, end: image.length };
    const span = serving.span?.(asked.range ?? whole) ?? asked.range ?? whole;
    const isPartial = asked.range !== undefined;
    const head = headOf(serving, image, etag, span, isPartial);
    exchange.status = Number((serving.status ?? (isPartial ? '206' : '200')).slice(0, 3));
    await exchange.write((serving.before ?? '') + head);
    await sendBody(exchange, serving, image, span);
    if (serving.extra !== undefined) await exchange.write(serving.extra);
    await end(exchange, serving.ending ?? 'keep');
  };
}

/** A status with an empty body, or with this text. */
export function status(
  line: string,
  {
    fields = {},
    body = '',
    ending = 'keep',
  }: { fields?: Readonly<Record<string, Field>>; body?: string; ending?: Ending } = {},
): Reply {
  return async (exchange) => {
    exchange.status = Number(line.slice(0, 3));
    const all = { 'Content-Length': Buffer.byteLength(body), ...fields };
    await exchange.write(`HTTP/1.1 ${line}\r\n${fieldLines(all)}\r\n${body}`);
    await end(exchange, ending);
  };
}

/** A redirect; the location may be made of the exchange. */
export function redirect(
  code: 301 | 302 | 303 | 307 | 308,
  location: string | ((exchange: Exchange) => string),
): Reply {
  return (exchange) => {
    const to = typeof location === 'string' ? location : location(exchange);
    return status(`${code} Elsewhere`, { fields: { Location: to } })(exchange);
  };
}

/** These bytes, whatever they are. */
export function raw(data: string | Buffer, ending: Ending = 'close'): Reply {
  return async (exchange) => {
    await exchange.write(data);
    await end(exchange, ending);
  };
}

/** `first`, and then `again` for as long as the client takes it. */
export function flood(first: string, again: string | Buffer): Reply {
  return async (exchange) => {
    let open = await exchange.write(first);
    while (open) open = await exchange.write(again);
  };
}

/** No byte. */
export function silence(ending: Ending = 'stall'): Reply {
  return (exchange) => end(exchange, ending);
}

/** A strong entity tag of the bytes. */
export function etagOf(image: Buffer): string {
  return `"${createHash('md5').update(image).digest('hex')}"`;
}

/** The chunked coding as it should be, or with something wrong about it. */
export function chunks({
  size = STEP_BYTES,
  sizeLine = (length: number): string => length.toString(16),
  last = '0\r\n\r\n',
}: {
  readonly size?: number;
  /** The line in front of a chunk, CRLF left out. */
  readonly sizeLine?: (length: number) => string;
  /** What follows the chunks. */
  readonly last?: string;
} = {}): (body: Buffer) => Iterable<string | Buffer> {
  return function* (body) {
    for (let at = 0; at < body.length; at += size) {
      const chunk = body.subarray(at, at + size);
      yield `${sizeLine(chunk.length)}\r\n`;
      yield chunk;
      yield '\r\n';
    }
    yield last;
  };
}

/** Undefined: a range that cannot be satisfied. */
function askedFor(
  { request }: Exchange,
  image: Buffer,
  { ranges, etag }: Serving,
): { range?: Span } | undefined {
  const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.range ?? '') ?? [];
  const condition = request.headers.get('if-range');
  if (ranges === false || first === undefined) return {};
  if (condition !== undefined && condition !== etag) return {};
  const start = Number(first);
  if (start >= image.length) return undefined;
  const end = last ? Math.min(Number(last) + 1, image.length) : image.length;
  return { range: { start, end } };
}

function headOf(
  serving: Serving,
  image: Buffer,
  etag: string | null | undefined,
  span: Span,
  isPartial: boolean,
): string {
  const { start, end: stop } = span;
  const fields: Record<string, Field> = {
    'Content-Type': 'application/octet-stream',
    'Accept-Ranges': serving.ranges === false ? 'none' : 'bytes',
    ETag: etag ?? null,
    'Content-Range': isPartial ? `bytes ${start}-${stop - 1}/${image.length}` : null,
    'Content-Length': serving.chunked ? null : stop - start,
    'Transfer-Encoding': serving.chunked ? 'chunked' : null,
  };
  for (const [name, field] of Object.entries(serving.fields ?? {})) {
    fields[name] = typeof field === 'function' ? field(span) : field;
  }
  const line = serving.status ?? (isPartial ? '206 Partial Content' : '200 OK');
  const head = `HTTP/${serving.version ?? '1.1'} ${line}\r\n${fieldLines(fields)}\r\n`;
  return serving.head?.(head) ?? head;
}

function fieldLines(fields: Readonly<Record<string, Field>>): string {
  return Object.entries(fields)
    .flatMap(([name, field]) => {
      const values = field === null ? [] : Array.isArray(field) ? field : [field];
      return values.map((value) => `${name}: ${value}\r\n`);
    })
    .join('');
}

async function sendBody(
  exchange: Exchange,
  serving: Serving,
  image: Buffer,
  span: Span,
): Promise<void> {
  const { after = Number.POSITIVE_INFINITY, corruptAt, chunked } = serving;
  const whole = Buffer.from(image.subarray(span.start, span.end));
  const index = (corruptAt ?? -1) - span.start;
  if (index >= 0 && index < whole.length) whole[index] = ~(whole[index] as number) & 0xff;
  if (chunked === undefined) {
    await sendPaced(exchange, serving, whole.subarray(0, after));
    return;
  }
  let left = after;
  for (const piece of chunked(whole)) {
    if (left <= 0 || exchange.closed) return;
    if (typeof piece === 'string') await exchange.write(piece);
    else await sendPaced(exchange, serving, piece.subarray(0, left));
    if (typeof piece !== 'string') left -= piece.length;
  }
}

async function sendPaced(exchange: Exchange, serving: Serving, body: Buffer): Promise<void> {
  const { step = STEP_BYTES, bytesPerSecond, pace } = serving;
  for (let at = 0; at < body.length; at += step) {
    const piece = body.subarray(at, at + step);
    if (!(await exchange.writeBody(piece))) return;
    if (bytesPerSecond !== undefined) await delay((piece.length * 1000) / bytesPerSecond);
    await pace?.();
  }
}

async function end(exchange: Exchange, ending: Ending): Promise<void> {
  switch (ending) {
    case 'keep':
      return;
    case 'close':
      return exchange.close();
    case 'cut':
      return exchange.cut();
    case 'reset':
      return exchange.reset();
    case 'stall':
      await exchange.gone;
  }
}
