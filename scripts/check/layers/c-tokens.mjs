// C and C++ as words: comments, literals and the preprocessor are out of the way, places stay what they were.

const LITERALS = new RegExp(
  [
    /\/\*[\s\S]*?\*\//, // comments
    /\/\/[^\n]*/,
    /\bR"([^()\\\s]{0,16})\([\s\S]*?\)\1"/, // raw strings
    /"(?:[^"\\\n]|\\[\s\S])*"/,
    /(?<!\w)'(?:[^'\\\n]|\\.)+'/, // characters; not the mark in 1'000
  ]
    .map(({ source }) => source)
    .join('|'),
  'g',
);
const DIRECTIVE = /^[ \t]*#[ \t]*(\w+)((?:[^\n\\]|\\[\s\S])*)/gm;
const WORD = /[A-Za-z_]\w*|->|::|#(?:if|else|endif)\b|\d[\w.']*|[^\s\w]/g;

const blanks = (text) => text.replace(/[^\n]/g, ' ');

/** The text with comments and literals blanked: every other character is where it was. */
export const withoutLiterals = (text) => text.replace(LITERALS, blanks);

/** The files that a text includes: { name, quoted, index }. */
export function includesOf(text) {
  const bare = text.replace(/\/\*[\s\S]*?\*\/|\/\/[^\n]*/g, blanks);
  const found = bare.matchAll(/^[ \t]*#[ \t]*include[ \t]*(?:"([^"\n]+)"|<([^>\n]+)>)/gm);
  return [...found].map((match) => ({
    name: match[1] ?? match[2],
    quoted: match[1] !== undefined,
    index: match.index,
  }));
}

/**
 * The words of a text, { text, index } each, and those of its macros' bodies. Of the preprocessor
 * only #if, #else and #endif are left among the words, so that a reader can tell branches apart.
 */
export function tokenize(text) {
  const macros = [];
  const code = withoutLiterals(text).replace(DIRECTIVE, (match, name, rest, index) => {
    if (name === 'define') macros.push(...wordsOf(macroBody(rest), index + match.length));
    const mark = /^(?:else|elif)/.test(name) ? '#else' : name.replace(/^if.*/, 'if');
    const kept = /^#else$|^if$|^endif$/.test(mark) ? `#${mark.replace('#', '')}` : '';
    return kept + blanks(match.slice(kept.length));
  });
  return { words: wordsOf(code), macros };
}

// What a macro stands for, without its name and parameters; ends where the directive ends.
const macroBody = (rest) => rest.replace(/^\s*\w+(?:\([^)]*\))?/, '');

// `end`: where the text ends in its file; without it the text is the whole file.
function wordsOf(text, end = text.length) {
  return [...text.matchAll(WORD)].map((match) => ({
    text: match[0],
    index: end - text.length + match.index,
  }));
}
