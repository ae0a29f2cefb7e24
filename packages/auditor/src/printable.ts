/**
 * What could make a terminal or a page show something else than what is there: controls (escape sequences, ends of
 * lines) and marks that reorder text.
 */
const UNSAFE = /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu;

/** Text of others as one line that shows what is in it: a file that is checked is not to write its own report. */
export function printable(text: string): string {
  return text.replace(UNSAFE, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}
