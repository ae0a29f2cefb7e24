import { parseOneReading } from './one-reading.ts';

/** Longest line of an export that is read, in UTF-16 code units; a leaf, a side or a checkpoint takes far less. */
export const MAX_LINE_UNITS = 1024 * 1024;

/** A line is longer than any line of an export is. */
export class LineTooLong extends Error {
  override readonly name = 'LineTooLong';

  constructor(line: number) {
    super(`line ${line} is longer than ${MAX_LINE_UNITS} characters, which no line of an export is`);
  }
}

/**
 * Takes a file apart into lines as its text comes, and parses each: one that is not JSON as an export has it is
 * undefined. They end at a line feed and nowhere else, since JSON may have U+2028 and U+2029 as they are.
 */
export class ExportLines {
  #rest = '';
  #count = 0;

  /** @throws LineTooLong */
  *take(text: string): Generator<unknown> {
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      yield this.#line(text, start, end);
      start = end + 1;
    }
    this.#add(text, start, text.length);
  }

  /** What lies behind the last line feed, if anything does. */
  *end(): Generator<unknown> {
    if (this.#rest !== '') yield this.#line('', 0, 0);
  }

  #line(text: string, start: number, end: number): unknown {
    this.#add(text, start, end);
    const line = this.#rest;
    this.#rest = '';
    this.#count++;
    // Some programs end the lines of what they copy with both.
    return parseOneReading(line.endsWith('\r') ? line.slice(0, -1) : line);
  }

  #add(text: string, start: number, end: number): void {
    if (this.#rest.length + end - start > MAX_LINE_UNITS) throw new LineTooLong(this.#count + 1);
    this.#rest += text.slice(start, end);
  }
}
