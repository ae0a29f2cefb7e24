/**
 * Rewrites the method `LIST`, which clients of Vault send and Node's parser refuses, into `LINK`, which Node knows and
 * nobody uses; a real `LINK` becomes `COPY`, which nothing answers. It follows the framing of RFC 9112 only as far as
 * it needs to know where a request begins, and changes four bytes there and none elsewhere. Whatever two parsers could
 * read in two ways (RFC 9112 §6.3, §11.2) ends the rewriting for the rest of the connection: from there on Node's
 * parser decides alone, and refuses.
 */
const MAX_HEAD_BYTES = 16 * 1024;
/** Upgrades that a server of ours may take. */
const TAKEN = /websocket/i;
const METHODS: Readonly<Record<string, string>> = { 'LIST ': 'LINK ', 'LINK ': 'COPY ' };
const METHOD_BYTES = 5;

/** A chunk's size with its extensions (RFC 9112 §7.1.1), as strictly as Node reads them, or more so. */
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const QUOTED = '"(?:[\\t !#-\\[\\]-~]|\\\\[\\t -~])*"';
const CHUNK_SIZE = new RegExp(`^([0-9A-Fa-f]{1,8})(?:;${TOKEN}(?:=(?:${TOKEN}|${QUOTED}))?)*\\r\\n$`);

type State = 'start' | 'head' | 'body' | 'chunk-size' | 'chunk' | 'trailer' | 'through';

export class ListFramer {
  #state: State = 'start';
  /** Of the first bytes, the head, or a line of the chunked coding. */
  #kept = '';
  /** Bytes of the body or chunk that are still to come. */
  #left = 0;
  /** Whether the request that is read offers another protocol, which nobody takes (RFC 9110 §7.8). */
  #offers = false;
  readonly #below: string;

  /** @param below what a target begins with whose method is rewritten */
  constructor(below = '') {
    this.#below = below;
  }

  /** True once it has given up following this connection. */
  get gaveUp(): boolean {
    return this.#state === 'through';
  }

  /**
   * The same bytes, but for methods. What could be the beginning of a method is held back until it is known.
   * @returns pieces to be handed on one by one. INVARIANT: none goes on beyond a request that offers an upgrade, since
   * Node's parser stops at its end and drops what else came in the same piece.
   */
  push(chunk: Buffer): Buffer[] {
    const pieces: Buffer[] = [];
    let out: Buffer[] = [];
    let at = 0;
    while (at < chunk.length) {
      if (this.#state === 'through') {
        out.push(chunk.subarray(at));
        break;
      }
      const step = this.#step(chunk, at);
      out.push(...step.out);
      at = step.next;
      if (this.#offers && this.#state === 'start') {
        this.#offers = false;
        pieces.push(Buffer.concat(out));
        out = [];
      }
    }
    pieces.push(Buffer.concat(out));
    return pieces.filter((piece) => piece.length > 0);
  }

  #step(chunk: Buffer, at: number): { out: Buffer[]; next: number } {
    switch (this.#state) {
      case 'start':
        return this.#start(chunk, at);
      case 'body':
      case 'chunk':
        return this.#skip(chunk, at);
      default:
        return this.#line(chunk, at);
    }
  }

  #start(chunk: Buffer, at: number): { out: Buffer[]; next: number } {
    const byte = chunk.subarray(at, at + 1);
    const text = byte.toString('latin1');
    // Empty lines before a request line are passed over (RFC 9112 §2.2).
    if (this.#kept === '' && (text === '\r' || text === '\n')) return { out: [byte], next: at + 1 };
    this.#kept += text;
    if (this.#kept.length < METHOD_BYTES && text !== ' ' && text !== '\n') return { out: [], next: at + 1 };
    const method = METHODS[this.#kept.slice(0, METHOD_BYTES)];
    const target = this.#kept.slice(METHOD_BYTES);
    if (method !== undefined && target !== this.#below && this.#below.startsWith(target)) {
      return { out: [], next: at + 1 };
    }
    if (method !== undefined && target === this.#below) this.#kept = method + target;
    this.#state = text === '\n' ? 'through' : 'head';
    return { out: [Buffer.from(this.#kept, 'latin1')], next: at + 1 };
  }

  #skip(chunk: Buffer, at: number): { out: Buffer[]; next: number } {
    const next = Math.min(chunk.length, at + this.#left);
    this.#left -= next - at;
    if (this.#left === 0) this.#begin(this.#state === 'chunk' ? 'chunk-size' : 'start');
    return { out: [chunk.subarray(at, next)], next };
  }

  /** Head, chunk sizes and trailers are read line by line; the bytes go through as they come. */
  #line(chunk: Buffer, at: number): { out: Buffer[]; next: number } {
    const end = chunk.indexOf(0x0a, at);
    const next = end < 0 ? chunk.length : end + 1;
    this.#kept += chunk.toString('latin1', at, next);
    if (this.#kept.length > MAX_HEAD_BYTES) this.#begin('through');
    else if (end >= 0) this.#lineEnded();
    return { out: [chunk.subarray(at, next)], next };
  }

  #lineEnded(): void {
    if (!this.#kept.endsWith('\r\n')) return this.#begin('through');
    if (this.#state === 'head') {
      if (this.#kept.endsWith('\r\n\r\n')) this.#headEnded(this.#kept);
    } else if (this.#state === 'chunk-size') {
      const size = CHUNK_SIZE.exec(this.#kept)?.[1];
      if (size === undefined) return this.#begin('through');
      this.#left = Number.parseInt(size, 16) + 2;
      this.#begin(this.#left === 2 ? 'trailer' : 'chunk');
    } else if (this.#kept === '\r\n') this.#begin('start');
    // A trailer is refused rather than followed: no client of this API sends one.
    else this.#begin('through');
  }

  #headEnded(head: string): void {
    const lines = head.slice(0, -4).split('\r\n').slice(1);
    const fields = lines.map((line) => /^([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*(.*?)[ \t]*$/.exec(line));
    if (fields.some((field) => field === null)) return this.#begin('through');
    const valuesOf = (name: string) =>
      fields.flatMap((field) => (field?.[1]?.toLowerCase() === name ? [field[2] as string] : []));
    const [lengths, codings] = [valuesOf('content-length'), valuesOf('transfer-encoding')];
    const offers = valuesOf('upgrade');
    // What follows the one that is taken, or a CONNECT, is of another protocol.
    const isTaken = head.startsWith('CONNECT ') || offers.some((offer) => TAKEN.test(offer));
    if (lengths.length + codings.length > 1 || isTaken) return this.#begin('through');
    this.#offers = offers.length > 0;
    const [length] = lengths;
    const [coding] = codings;
    if (coding !== undefined) return this.#begin(coding.toLowerCase() === 'chunked' ? 'chunk-size' : 'through');
    if (length === undefined) return this.#begin('start');
    if (!/^\d{1,10}$/.test(length)) return this.#begin('through');
    this.#left = Number(length);
    this.#begin(this.#left === 0 ? 'start' : 'body');
  }

  #begin(state: State): void {
    this.#state = state;
    this.#kept = '';
  }
}
