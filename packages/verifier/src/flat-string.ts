/**
 * The same text in one piece, a byte a character where that is enough. A string that was put together keeps its pieces
 * until it is looked at as a whole; in a replica that would be most of its size.
 */
export function flatString(text: string): string {
  if (text === '') return '';
  const narrow = /^[\0-\xff]*$/.test(text);
  const encoding = narrow ? 'latin1' : 'utf16le';
  return Buffer.from(text, encoding).toString(encoding);
}
