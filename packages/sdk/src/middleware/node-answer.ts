import type { ServerResponse } from 'node:http';
import type { FieldLine } from '@keyhold/protocol/dialects/dialect';
import type { AnswerSigning } from './answer-signer.ts';

type Done = (error?: Error | null) => void;

/**
 * Holds an answer of `node:http` back until all of it is written, then sends it with the fields that sign it: they
 * stand before a body that they are made of. Whoever writes the answer notices nothing. One that gets too long is sent
 * on as it comes, unsigned.
 */
export function signNodeAnswer(response: ServerResponse, { fieldsOf, maxBytes }: AnswerSigning): void {
  const { write, end, writeHead, flushHeaders } = response;
  const held: Uint8Array[] = [];
  let [length, begun] = [0, false];

  const letGo = (): void => {
    Object.assign(response, { write, end, writeHead, flushHeaders });
    // Shadowed the getter of its class.
    Reflect.deleteProperty(response, 'headersSent');
  };
  const hold = (chunk: unknown, encoding: unknown): void => {
    begun = true;
    const bytes = bytesOf(chunk, encoding);
    held.push(bytes);
    length += bytes.length;
  };
  Object.defineProperty(response, 'headersSent', { configurable: true, get: () => begun });
  const overrides = {
    flushHeaders: () => {},
    writeHead: (status: number, ...more: readonly unknown[]) => {
      begun = true;
      response.statusCode = status;
      if (typeof more[0] === 'string') response.statusMessage = more[0];
      for (const [name, values] of byName(linesOf(more.at(-1)))) response.setHeader(name, values);
      return response;
    },
    write: (chunk: unknown, encoding?: unknown, callback?: Done): boolean => {
      hold(chunk, encoding);
      const done = typeof encoding === 'function' ? (encoding as Done) : callback;
      if (length <= maxBytes) {
        if (done !== undefined) process.nextTick(done);
        return true;
      }
      letGo();
      return response.write(Buffer.concat(held), done as Done);
    },
    end: (...given: readonly unknown[]): ServerResponse => {
      const done = given.find((one) => typeof one === 'function') as (() => void) | undefined;
      const [chunk, encoding] = given;
      if (chunk !== undefined && chunk !== null && typeof chunk !== 'function') hold(chunk, encoding);
      letGo();
      const body = Buffer.concat(held);
      // As long as it is; nobody writes more.
      if (body.length > 0 && response.req.method !== 'HEAD') {
        response.removeHeader('transfer-encoding');
        response.setHeader('content-length', body.length);
      }
      if (body.length <= maxBytes) {
        const answer = { status: response.statusCode, headers: linesOf(response.getHeaders()), body };
        for (const [name, value] of fieldsOf(answer)) response.setHeader(name, value);
      }
      return response.end(body, done);
    },
  };
  Object.assign(response, overrides);
}

function bytesOf(chunk: unknown, encoding: unknown): Uint8Array {
  if (typeof chunk !== 'string') return chunk as Uint8Array;
  return Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8');
}

/** Of `writeHead`, whose headers are an object or a list of names and values; and of `getHeaders`. */
function linesOf(headers: unknown): FieldLine[] {
  if (typeof headers !== 'object' || headers === null) return [];
  // A list of pairs, or of names and values in turn, where a value may be a list itself.
  const isPairs = Array.isArray(headers) && Array.isArray(headers[0]);
  const flat: readonly unknown[] = isPairs
    ? headers.flat(1)
    : Array.isArray(headers)
      ? headers
      : Object.entries(headers).flat(1);
  const lines: FieldLine[] = [];
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const value = flat[i + 1];
    if (value === undefined) continue;
    for (const one of Array.isArray(value) ? value : [value]) lines.push([String(flat[i]), String(one)]);
  }
  return lines;
}

function byName(lines: readonly FieldLine[]): Map<string, string | string[]> {
  const found = new Map<string, string | string[]>();
  for (const [name, value] of lines) {
    const before = found.get(name);
    found.set(name, before === undefined ? value : [before, value].flat());
  }
  return found;
}
