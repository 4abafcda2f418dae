// Tested by test/unit/cli/printable.test.ts
/** What a release, a server, an installer or a certificate says must not steer the terminal, nor forge a line. */

/** Controls of both sets, invisible formats such as those that turn the direction, separators of lines. */
const STEERING = /(?!\n)[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;

/** What would steer is a `?`; newlines stay. */
export function printable(text: string): string {
  return text.replace(STEERING, '?');
}

/** As part of one line. */
export function printableLine(text: string): string {
  return printable(text.replace(/\s*\n\s*/g, ' '));
}

/** JSON that means the same; JSON.stringify() itself escapes the controls below U+0020 alone. */
export function escapeSteering(json: string): string {
  return json.replace(STEERING, (character) =>
    Array.from({ length: character.length }, (_, i) => escapedUnit(character, i)).join(''),
  );
}

function escapedUnit(text: string, index: number): string {
  return `\\u${text.charCodeAt(index).toString(16).padStart(4, '0')}`;
}
