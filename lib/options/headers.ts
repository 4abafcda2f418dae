/** Request header fields of the user's own, besides those of the download engine. */
import { conflict, text, wrongSecret } from '../base/arguments';

const MAX_HEADERS = 32;
const MAX_HEADER_BYTES = 8192;

// Fields that say where a message ends, which bytes are wanted and which host is asked are the
// download engine's own.
const ownHeaders = [
  ['host', 'range', 'connection', 'keep-alive', 'close', 'content-length', 'transfer-encoding'],
  ['accept-encoding', 'expect', 'upgrade', 'http2-settings', 'te', 'trailer'],
].flat();
const ownPrefixes = ['if-', 'proxy-'];

/** @internal One `Name: value` line each, ended by CRLF; `''`: none. Values are never shown. */
export function checkHeaders(given: unknown): string {
  if (given === undefined) return '';
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    throw wrongSecret('fetch.headers', 'an object of strings', given);
  }
  const entries = Object.entries(given);
  if (entries.length > MAX_HEADERS) {
    throw conflict(`fetch.headers must have at most ${MAX_HEADERS} fields, got ${entries.length}`);
  }
  const names = new Set<string>();
  const lines = entries.map(([name, value]) => {
    checkHeaderName(name);
    if (names.has(name.toLowerCase())) throw conflict(`fetch.headers has ${name} twice`);
    names.add(name.toLowerCase());
    const secret = {
      min: 0,
      max: MAX_HEADER_BYTES,
      pattern: /^[\x20-\x7e\t]*$/,
      expected: 'printable ASCII',
      secret: true,
    };
    return `${name}: ${text(`fetch.headers.${name}`, value, secret).trim()}\r\n`;
  });
  const fields = lines.join('');
  if (fields.length > MAX_HEADER_BYTES) {
    throw conflict(`fetch.headers must have at most ${MAX_HEADER_BYTES} bytes`);
  }
  return fields;
}

function checkHeaderName(name: string): void {
  // Not shown: an invalid name might be a value that lost its name.
  if (!/^[\w!#$%&'*+.^`|~-]{1,128}$/.test(name)) {
    throw conflict('fetch.headers must have names of the characters that HTTP allows');
  }
  const lower = name.toLowerCase();
  if (ownHeaders.includes(lower) || ownPrefixes.some((prefix) => lower.startsWith(prefix))) {
    throw conflict(`fetch.headers must not have ${name}`);
  }
}
