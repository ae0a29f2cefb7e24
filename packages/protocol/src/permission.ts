/** A permission is `resource:action`; a granted one may have `*` for either segment (DESIGN §2). */

const SEGMENT = '[a-z0-9][a-z0-9_.-]{0,62}';

/** A permission that a key holds or a setting names: each segment concrete or `*`. */
export const PERMISSION_PATTERN = `^(?:\\*|${SEGMENT}):(?:\\*|${SEGMENT})$`;

/** Longest required expression, in characters. */
export const MAX_EXPRESSION_LENGTH = 1024;

const MAX_DEPTH = 16;

/** A required expression, parsed. */
export type PermissionExpression =
  | { readonly kind: 'permission'; readonly resource: string; readonly action: string }
  | { readonly kind: 'and' | 'or'; readonly left: PermissionExpression; readonly right: PermissionExpression };

/** What is wrong with an expression, and where (0-based character offset). */
export interface ExpressionError {
  readonly error: string;
  readonly at: number;
}

interface Token {
  readonly text: string;
  readonly at: number;
}

const TOKEN = /\s*(?:([()])|([^\s()]+))/y;
const CONCRETE = new RegExp(`^${SEGMENT}:${SEGMENT}$`);

/**
 * Parses what a request requires: concrete permissions joined by `and`, `or` and parentheses; `and` binds tighter.
 * Never throws: a caller's mistake comes back as a value.
 */
export function parsePermissionExpression(text: string): PermissionExpression | ExpressionError {
  if (text.length > MAX_EXPRESSION_LENGTH) {
    return { error: `longer than ${MAX_EXPRESSION_LENGTH} characters`, at: MAX_EXPRESSION_LENGTH };
  }
  const parser = new Parser(tokenize(text), text.length);
  const expression = parser.or(0);
  if ('error' in expression) return expression;
  const rest = parser.peek();
  return rest === undefined
    ? expression
    : { error: 'nothing is expected here but "and", "or" or the end', at: rest.at };
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  TOKEN.lastIndex = 0;
  for (let match = TOKEN.exec(text); match !== null; match = TOKEN.exec(text)) {
    const token = (match[1] ?? match[2]) as string;
    tokens.push({ text: token, at: TOKEN.lastIndex - token.length });
  }
  return tokens;
}

class Parser {
  readonly #tokens: readonly Token[];
  readonly #end: number;
  #next = 0;

  constructor(tokens: readonly Token[], end: number) {
    this.#tokens = tokens;
    this.#end = end;
  }

  peek(): Token | undefined {
    return this.#tokens[this.#next];
  }

  or(depth: number): PermissionExpression | ExpressionError {
    return this.#chain('or', () => this.#chain('and', () => this.#term(depth)));
  }

  #chain(
    word: 'and' | 'or',
    operand: () => PermissionExpression | ExpressionError,
  ): PermissionExpression | ExpressionError {
    let left = operand();
    while (!('error' in left) && this.peek()?.text === word) {
      this.#next++;
      const right = operand();
      if ('error' in right) return right;
      left = { kind: word, left, right };
    }
    return left;
  }

  #term(depth: number): PermissionExpression | ExpressionError {
    const token = this.peek();
    if (token === undefined) return { error: 'a permission is missing', at: this.#end };
    this.#next++;
    if (token.text === '(') return this.#parenthesis(token, depth);
    if (!CONCRETE.test(token.text)) {
      return { error: 'not a permission of the form resource:action', at: token.at };
    }
    const colon = token.text.indexOf(':');
    return { kind: 'permission', resource: token.text.slice(0, colon), action: token.text.slice(colon + 1) };
  }

  #parenthesis(open: Token, depth: number): PermissionExpression | ExpressionError {
    if (depth >= MAX_DEPTH) return { error: `nested deeper than ${MAX_DEPTH}`, at: open.at };
    const inner = this.or(depth + 1);
    if ('error' in inner) return inner;
    const close = this.peek();
    if (close?.text !== ')') return { error: '")" is missing', at: close?.at ?? this.#end };
    this.#next++;
    return inner;
  }
}
