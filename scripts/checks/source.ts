/** An import, an `export … from` or a dynamic import with a literal. */
export interface Import {
  readonly specifier: string;
  /** Nothing of it is there at run time. */
  readonly typeOnly: boolean;
  /** What is named in the braces, `* as` and default imports as they stand; with their `type` markers. */
  readonly clause: string;
  readonly reexport: boolean;
  readonly line: number;
}

/** A file of the repository, as rules see it. */
export interface SourceFile {
  /** From the root, with slashes. */
  readonly path: string;
  readonly text: string;
  /** The text with comments blanked and strings emptied, of the same length line by line. */
  readonly code: string;
  readonly imports: readonly Import[];
  /** Every identifier in the code. */
  readonly words: ReadonlySet<string>;
}

export function readSource(path: string, text: string): SourceFile {
  const code = blank(text);
  return { path, text, code, imports: importsOf(text, code), words: new Set(code.match(/[A-Za-z_$][\w$]*/g)) };
}

export function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}

export function lineCount(text: string): number {
  return text.replace(/\n$/, '').split('\n').length;
}

const STATEMENT = /(?:^|[;}\n])[ \t]*(import|export)\b([^;'"]*?)\bfrom\s*(['"])|(?:^|[;}\n])[ \t]*(import)\s*(['"])/g;
const DYNAMIC = /\bimport\s*(?:\.\s*meta\s*\.\s*resolve\s*)?\(\s*(['"])/g;

/** Positions come from the blanked code, so that no comment or string looks like an import; the name from the text. */
function importsOf(text: string, code: string): Import[] {
  const found: Import[] = [];
  const add = (match: RegExpMatchArray, keyword: string, clause: string) => {
    const start = (match.index ?? 0) + match[0].length;
    const specifier = text.slice(start, text.indexOf(code[start - 1] ?? '', start));
    const index = (match.index ?? 0) + match[0].search(/import|export/);
    found.push({
      specifier,
      clause: clause.trim(),
      typeOnly: isTypeOnly(clause),
      reexport: keyword === 'export',
      line: lineAt(text, index),
    });
  };
  for (const match of code.matchAll(STATEMENT)) add(match, match[1] ?? 'import', match[2] ?? '');
  for (const match of code.matchAll(DYNAMIC)) add(match, 'import', '* as dynamic');
  return found;
}

/** `import type …`, or braces in which each name says `type`. */
function isTypeOnly(clause: string): boolean {
  if (/^\s*type\b(?!\s*,)/.test(clause)) return true;
  const braces = /^\s*\{([^}]*)\}\s*$/.exec(clause);
  const names = braces?.[1]?.split(',').filter((name) => name.trim() !== '') ?? [];
  return names.length > 0 && names.every((name) => /^\s*type\s/.test(name));
}

/** What each piece of a source looks like; a division is told from a regular expression by what stands before it. */
const PIECE =
  /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|(?<=(?:[=(,;:!&|?{}[+>~^%*]|\breturn|^)\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/gm;

/** Blanks comments, strings and regular expressions; code within templates stays. */
function blank(text: string): string {
  const spaces = (piece: string) => piece.replace(/[^\n]/g, ' ');
  const quoted = (piece: string) => `${piece[0]}${spaces(piece.slice(1, -1))}${piece.at(-1)}`;
  const blankPiece = (piece: string) => (/^['"]/.test(piece) ? quoted(piece) : spaces(piece));
  let result = '';
  for (let rest = text; ; ) {
    const template = firstTemplate(rest);
    if (template === undefined) return result + rest.replace(PIECE, blankPiece);
    const { start, end } = template;
    result += rest.slice(0, start).replace(PIECE, blankPiece) + blankTemplate(rest.slice(start, end), spaces);
    rest = rest.slice(end);
  }
}

/** Where the first template that is no part of a comment or string lies. */
function firstTemplate(text: string): { start: number; end: number } | undefined {
  const pieces = new RegExp(`${PIECE.source}|\``, 'gm');
  for (const match of text.matchAll(pieces)) {
    if (match[0] === '`') return { start: match.index, end: templateEnd(text, match.index) };
  }
  return undefined;
}

function templateEnd(text: string, start: number): number {
  for (let index = start + 1, depth = 0; index < text.length; index++) {
    if (text[index] === '\\') index++;
    else if (depth === 0 && text[index] === '`') return index + 1;
    else if (depth === 0 && text.startsWith('${', index)) {
      depth++;
      index++;
    } else if (depth > 0 && text[index] === '{') depth++;
    else if (depth > 0 && text[index] === '}') depth--;
    else if (depth > 0 && text[index] === '`') index = templateEnd(text, index) - 1;
  }
  return text.length;
}

function blankTemplate(template: string, spaces: (piece: string) => string): string {
  let result = '`';
  for (let index = 1; index < template.length - 1; ) {
    const open = template.indexOf('${', index);
    if (open < 0) return `${result}${spaces(template.slice(index, -1))}\``;
    const close = closing(template, open + 2);
    result += `${spaces(template.slice(index, open + 2))}${blank(template.slice(open + 2, close))} `;
    index = close + 1;
  }
  return `${result}\``;
}

function closing(text: string, start: number): number {
  for (let index = start, depth = 0; index < text.length; index++) {
    if (text[index] === '`') index = templateEnd(text, index) - 1;
    else if (text[index] === '{') depth++;
    else if (text[index] === '}' && depth-- === 0) return index;
  }
  return text.length;
}
