// What a file of C or C++ defines, declares and uses by name: a scanner of declarations, no compiler. It knows
// scopes (namespaces, types, bodies, initialisers) and the heads of declarations, and needs nothing else: the
// code it reads has passed a compiler and a formatter.
import { tokenize } from './c-tokens.mjs';

const TYPES = new Set(['struct', 'union', 'class', 'enum']);
// Before a name they do not make it the name of something declared.
const NO_TYPE = new Set(
  'return else case goto sizeof do throw new delete co_return typename operator'.split(' '),
);
const WITH_ARGUMENTS = new Set(['__attribute__', 'alignas', '_Alignas', 'noexcept', 'decltype']);
const isName = (word) => word !== undefined && /^[A-Za-z_]/.test(word.text);

/**
 * { defined: [{ name, owner, index, isStatic }], declared: Set of names, uses: [{ name, index }],
 * classes: Map of name → whether it stands in another class }.
 *
 * `owner` is the class of a `Class::method`. A use is any mention of a name in a body, an
 * initialiser or a macro that is no member (`.name`, `->name`), no tag (`struct name`) and no local
 * variable or parameter.
 */
export function namesOf(text, { cpp = false } = {}) {
  const { words, macros } = tokenize(text);
  const scan = new Scan(cpp);
  words.forEach((word, at) => {
    scan.take(word, words[at - 1]);
  });
  scan.mention(macros, new Set());
  return scan.found;
}

class Scan {
  found = { defined: [], declared: new Set(), uses: [], classes: new Map() };
  #scopes = []; // { kind: namespace | unnamed | extern | type | body | init, head, words }
  #head = []; // the words of the declaration that is being read
  #parens = 0;
  #branches = []; // what to return to at an #else
  #cpp;

  constructor(cpp) {
    this.#cpp = cpp;
  }

  take(word, before) {
    if (word.text.startsWith('#') && word.text.length > 1) return this.#branch(word.text);
    const scope = this.#scopes.at(-1);
    if (scope?.kind === 'body' || scope?.kind === 'init') return this.#inside(scope, word);
    if (word.text === '(') this.#parens += 1;
    if (word.text === ')') this.#parens -= 1;
    if (this.#parens > 0) this.#head.push(word);
    else if (word.text === '{') this.#open(before);
    else if (word.text === '}') this.#close();
    else if (word.text === ';') this.#end();
    else if (word.text === ':' && isAccess(this.#head)) this.#head = [];
    else this.#head.push(word);
  }

  /** Notes what a list of words uses. */
  mention(words, locals) {
    words.forEach((word, at) => {
      if (!isName(word) || locals.has(word.text)) return;
      const before = words[at - 1]?.text;
      if (before === '.' || before === '->' || before === 'goto' || TYPES.has(before)) return;
      this.found.uses.push({ name: word.text, index: word.index });
    });
  }

  // Branches are alternatives: each begins with the scopes that its #if began with.
  #branch(mark) {
    const now = () => ({
      scopes: this.#scopes.map((scope) => ({ ...scope })),
      head: [...this.#head],
      parens: this.#parens,
    });
    if (mark === '#if') this.#branches.push(now());
    else if (mark === '#endif') this.#branches.pop();
    else {
      const { scopes, head, parens } = this.#branches.at(-1) ?? now();
      this.#scopes.forEach((scope, depth) => {
        // What the first branch said inside a body is not forgotten.
        if (scopes[depth]) scopes[depth].words = scope.words;
      });
      this.#scopes = scopes.map((scope) => ({ ...scope }));
      this.#head = [...head];
      this.#parens = parens;
    }
  }

  #inside(scope, word) {
    if (word.text === '{') scope.depth += 1;
    if (word.text === '}') scope.depth -= 1;
    if (scope.depth > 0) {
      scope.words.push(word);
      return;
    }
    this.#scopes.pop();
    const head = scope.head;
    this.mention(scope.words, scope.kind === 'body' ? localsOf(head, scope.words) : new Set());
    // An initialiser is part of a declaration that goes on.
    this.#head = scope.kind === 'body' ? [] : [...head, { text: '{}', index: word.index }];
  }

  #open(before) {
    const head = this.#head;
    const kind = kindOf(head, before);
    if (kind === 'type') this.#noteClass(head);
    if (kind === 'body') this.#noteFunction(head, true);
    this.#scopes.push({ kind, head, words: [], depth: 1 });
    if (kind !== 'init' && kind !== 'body') this.#head = [];
  }

  #close() {
    const scope = this.#scopes.pop();
    this.#head = scope?.kind === 'type' ? [...scope.head, { text: '{}', index: 0 }] : [];
  }

  #end() {
    const head = withoutAttributes(this.#head);
    this.#head = [];
    this.mention(head.slice(indexOf(head, '=') + 1 || head.length), new Set());
    if (this.#scopes.some(({ kind }) => kind === 'type')) return;
    if (['typedef', 'using', 'friend', 'template'].includes(head[0]?.text)) return;
    const name = functionName(head);
    if (name && indexOf(head, '=') < 0 && !isPointer(head)) this.#noteFunction(head, false);
    else this.#noteObject(head);
  }

  #noteClass(head) {
    const names = withoutAttributes(head);
    const at = names.findIndex(({ text }) => TYPES.has(text));
    const name = names.slice(at + 1).find((word) => isName(word) && !TYPES.has(word.text));
    if (name)
      this.found.classes.set(
        name.text,
        this.#scopes.some(({ kind }) => kind === 'type'),
      );
  }

  #noteFunction(head, hasBody) {
    const name = functionName(withoutAttributes(head));
    if (!name) return;
    if (!hasBody) this.found.declared.add(name.text);
    else if (!this.#scopes.some(({ kind }) => kind === 'type'))
      this.#define(head, name, /^static$/);
  }

  // `int a;`, `const struct a b[] = {…}`, `void (*hook)(void)`; several of one declaration are not told apart.
  #noteObject(head) {
    const equals = indexOf(head, '=');
    const left = head.slice(0, equals < 0 ? head.length : equals);
    const name = objectName(left);
    if (!name) return;
    if (head[0].text === 'extern' && equals < 0) this.found.declared.add(name.text);
    else this.#define(head, name, this.#cpp ? /^(static|const|constexpr)$/ : /^static$/);
  }

  #define(head, name, keepsIn) {
    let at = head.indexOf(name) - 1;
    if (head[at]?.text === '~') at -= 1;
    const owner = head[at]?.text === '::' ? head[at - 1]?.text : undefined;
    const isStatic =
      head.slice(0, head.indexOf(name)).some(({ text }) => keepsIn.test(text)) ||
      this.#scopes.some(({ kind }) => kind === 'unnamed');
    this.found.defined.push({ name: name.text, owner, index: name.index, isStatic });
  }
}

const indexOf = (words, text) => words.findIndex((word) => word.text === text);
const isAccess = (head) => head.length === 1 && /^(public|private|protected)$/.test(head[0].text);

function kindOf(head, before) {
  if (head[0]?.text === 'namespace' || head[1]?.text === 'namespace')
    return isName(head.at(-1)) && head.at(-1).text !== 'namespace' ? 'namespace' : 'unnamed';
  if (head.length === 1 && head[0].text === 'extern') return 'extern';
  const bare = withoutAttributes(head);
  if (indexOf(bare, '=') >= 0 && !bare.some(({ text }) => text === 'operator')) return 'init';
  if (functionName(bare)) return isMemberInitialiser(bare, before) ? 'init' : 'body';
  return bare.some(({ text }) => TYPES.has(text)) && bare.at(-1)?.text !== '{}' ? 'type' : 'init';
}

// Of `Class(…) : a_(1), b_{2} {…}` the brace after b_.
function isMemberInitialiser(head, before) {
  const end = endOfArguments(head, head.indexOf(functionName(head)) + 1);
  return head[end]?.text === ':' && isName(before);
}

function endOfArguments(words, from) {
  let depth = 0;
  for (let at = from; at < words.length; at += 1) {
    if (words[at].text === '(') depth += 1;
    if (words[at].text === ')') depth -= 1;
    if (depth === 0) return at + 1;
  }
  return words.length;
}

// Without attributes, and without the calls of macros that need no semicolon before a declaration.
function withoutAttributes(head) {
  const kept = [];
  for (let at = 0; at < head.length; at += 1) {
    const end = head[at + 1]?.text === '(' ? endOfArguments(head, at + 1) : at + 1;
    const isMacro = kept.length === 0 && isName(head[at]) && end > at + 1 && isName(head[end]);
    if (isMacro || WITH_ARGUMENTS.has(head[at].text)) at = end - 1;
    else kept.push(head[at]);
  }
  return kept;
}

// The name before the first parenthesis; of `void (*f(int))(int)` the f.
function functionName(head) {
  const operator = head.find(({ text }) => text === 'operator');
  if (operator) return operator;
  const open = indexOf(head, '(');
  if (open < 1) return undefined;
  if (head[open + 1]?.text === '*' && head[open + 3]?.text === '(') return head[open + 2];
  return isName(head[open - 1]) ? head[open - 1] : undefined;
}

// `type (*name)(…)`, `type (*name[])(…)`.
function isPointer(head) {
  const open = indexOf(head, '(');
  return head[open + 1]?.text === '*' && head[open + 3]?.text !== '(';
}

function objectName(left) {
  const open = indexOf(left, '(');
  if (open >= 0) return isPointer(left) ? left[open + 2] : undefined;
  const bracket = indexOf(left, '[');
  const head = left.slice(0, bracket < 0 ? left.length : bracket);
  const name = head.filter(({ text }) => text !== '{}').at(-1);
  const isTag = head.length < 2 || TYPES.has(head.at(-2).text) || head.at(-1).text === '{}';
  return isName(name) && !isTag ? name : undefined;
}

// Parameters and local variables: a name after a type. Not told apart by block.
function localsOf(head, body) {
  const locals = new Set();
  for (const words of [head.slice(indexOf(head, '(')), body]) {
    words.forEach((word, at) => {
      if (isName(word) && /^[=;,[):]$/.test(words[at + 1]?.text) && follows(words, at))
        locals.add(word.text);
    });
  }
  return locals;
}

// Whether a type stands before words[at]: a name, or names and stars from where a statement or parameter begins.
function follows(words, at) {
  const before = words[at - 1];
  if (isName(before)) return !NO_TYPE.has(before.text) && !TYPES.has(before.text);
  if (!/^[*&]$/.test(before?.text)) return false;
  let from = at - 1;
  while (from > 0 && (isName(words[from - 1]) || /^[*&:]+$/.test(words[from - 1].text))) from -= 1;
  if (from === at - 1 || !isName(words[from]) || NO_TYPE.has(words[from].text)) return false;
  return from === 0 || /^[{};(,]$/.test(words[from - 1].text);
}
