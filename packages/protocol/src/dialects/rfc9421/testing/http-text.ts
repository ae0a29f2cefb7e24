import type { FieldLine, ReceivedRequest } from '../../dialect.ts';
import type { ReceivedResponse } from '../message.ts';

/** A request as RFC 9421 prints it; came over https where nothing else is said. */
export function requestOf(printed: string, scheme: ReceivedRequest['scheme'] = 'https'): ReceivedRequest {
  const { start, headers, body } = parts(printed);
  const [method = '', target = ''] = start.split(' ');
  return { method, target, scheme, headers, body };
}

export function responseOf(printed: string): ReceivedResponse {
  const { start, headers, body } = parts(printed);
  return { status: Number(start.split(' ')[1]), headers, body };
}

/** Folded lines stay folded: one value with a line break in it. */
function parts(printed: string): { start: string; headers: FieldLine[]; body: Uint8Array } {
  const [head = '', body = ''] = printed.split(/\n\n(.*)/s);
  const [start = '', ...lines] = head.split(/\n(?![ \t])/);
  const headers = lines.map((line): FieldLine => {
    const at = line.indexOf(':');
    return [line.slice(0, at), line.slice(at + 1).replaceAll('\n', '\r\n')];
  });
  return { start, headers, body: new TextEncoder().encode(body) };
}
