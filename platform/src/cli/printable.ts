// Tested by platform/test/cli/printable.test.ts

// What a device or another stranger says must not steer the terminal, nor forge a line.

/** Controls of both sets, invisible formats (as those that turn the direction), separators of lines. */
const STEERING = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** A text as part of a line: what would steer is escaped as in JSON. */
export function printable(text: string): string {
  return text.replace(STEERING, escaped);
}

/** JSON that means the same to its reader, and of which nothing steers. */
export function toJson(value: unknown, indent?: number): string {
  return escapeJson(JSON.stringify(value, null, indent));
}

/** The same of JSON that somebody else has made; its newlines stand between its texts, and stay. */
export function escapeJson(json: string): string {
  return json.replace(STEERING, (character) =>
    character === '\n' ? character : escaped(character),
  );
}

/** A text as it stands in JSON, without the quotes: no two texts look the same. */
export function inJson(text: string): string {
  return toJson(text).slice(1, -1);
}

function escaped(character: string): string {
  const short = JSON.stringify(character).slice(1, -1);
  if (short !== character) return short;
  const units = Array.from({ length: character.length }, (_, i) => character.charCodeAt(i));
  return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
}
