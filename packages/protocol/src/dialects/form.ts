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
  for (const piece of text.split('&')) {
    const [encoded, value, ...more] = piece.split('=');
    const name = decodeFormText(encoded ?? '');
    if (name === null || name === '' || value === undefined || more.length > 0) return null;
    parameters.push({ name, value, start });
    start += piece.length + 1;
  }
  return parameters;
}

/** `+` and `%XX` decoded; null where that is not UTF-8. */
export function decodeFormText(text: string): string | null {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    return null;
  }
}

/** The one parameter of this name: undefined where there is none, null where there are more. */
export function onlyParameter(parameters: readonly Parameter[], name: string): Parameter | undefined | null {
  const [first, ...more] = parameters.filter((parameter) => parameter.name === name);
  return more.length > 0 ? null : first;
}

/** The text with one more parameter at its end. */
export function withParameter(text: string, name: string, value: string): string {
  return `${text}${text === '' ? '' : '&'}${name}=${encodeURIComponent(value)}`;
}
