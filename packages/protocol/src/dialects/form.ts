/** One parameter of a query or of a form, as it stands there. */
export interface Parameter {
  /** Decoded, as a server behind reads it. */
  readonly name: string;
  /** As it stands: nothing decoded. */
  readonly value: string;
  /** Where it begins in the text. */
  readonly start: number;
}

/**
 * The parameters of a text in which each is `name=value`, with one `=` and no piece left empty; null where one is
 * not. `%74imestamp` is the name `timestamp` to the server behind, so names are compared decoded.
 */
export function parametersOf(text: string): readonly Parameter[] | null {
  if (text === '') return [];
  const parameters: Parameter[] = [];
  let start = 0;
  while (start <= text.length) {
    const next = text.indexOf('&', start);
    const end = next < 0 ? text.length : next;
    const mark = text.indexOf('=', start);
    if (mark < 0 || mark >= end) return null;
    const second = text.indexOf('=', mark + 1);
    const name = decodeFormText(text.slice(start, mark));
    if (name === null || name === '' || (second >= 0 && second < end)) return null;
    parameters.push({ name, value: text.slice(mark + 1, end), start });
    start = end + 1;
  }
  return parameters;
}

/** `+` and `%XX` decoded; null where that is not UTF-8. */
export function decodeFormText(text: string): string | null {
  // Nothing is encoded in most names.
  if (!text.includes('%') && !text.includes('+')) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return null;
  }
}

/** The one parameter of this name: undefined where there is none, null where there are more. */
export function onlyParameter(parameters: readonly Parameter[], name: string): Parameter | undefined | null {
  let found: Parameter | undefined;
  for (const parameter of parameters) {
    if (parameter.name !== name) continue;
    if (found !== undefined) return null;
    found = parameter;
  }
  return found;
}

/** The text with one more parameter at its end. */
export function withParameter(text: string, name: string, value: string): string {
  return `${text}${text === '' ? '' : '&'}${name}=${encodeURIComponent(value)}`;
}
