import fc from 'fast-check';
import type { FieldLine, ReceivedRequest } from '../dialect.ts';

/** In what two requests may differ; `query or body`: what the one has as its query, the other has as its body. */
export type Gap = 'host' | 'method' | 'path' | 'query' | 'empty query' | 'body' | 'query or body' | 'fields';

/** One change to a request; null where there is nothing to change. */
export type Change = (request: ReceivedRequest) => ReceivedRequest | null;

/** All in which two requests differ. */
export function differences(a: ReceivedRequest, b: ReceivedRequest): ReadonlySet<Gap> {
  const found = new Set<Gap>();
  const [one, other] = [partsOf(a), partsOf(b)];
  for (const name of ['host', 'method', 'path', 'fields'] as const) if (one[name] !== other[name]) found.add(name);
  const isMoved = one.query !== other.query && one.query === other.body && one.body === other.query;
  if (isMoved) found.add('query or body');
  else {
    if (one.query !== other.query) found.add('query');
    if (one.body !== other.body) found.add('body');
    if (one.query === other.query && one.hasMark !== other.hasMark) found.add('empty query');
  }
  return found;
}

function partsOf(request: ReceivedRequest) {
  const { method, headers } = request;
  const [authority = '', rest = ''] = /^https?:/.test(request.target)
    ? request.target.split(/(?<=^https?:\/\/[^/]+)(?=\/)/, 2)
    : ['', request.target];
  const [path, query] = splitAtMark(rest);
  const isHost = ([name]: FieldLine) => name.toLowerCase() === 'host';
  const host = JSON.stringify([authority, headers.filter(isHost)]);
  const fields = JSON.stringify(headers.filter((line) => !isHost(line)));
  return { method, host, fields, path, query: query ?? '', hasMark: query !== null, body: textOf(request) };
}

/** Something else at one place of a text: a character left out, put in, replaced, moved, or in another case. */
type Edit = (text: string) => string;

const CHARACTERS = fc.constantFrom('a', 'Z', '0', '1', '9', '=', '&', '%', '/', '.', '+', '?', '{', '[', '-', '"', ' ');
const EDITS: fc.Arbitrary<Edit> = fc.oneof(
  fc.tuple(fc.nat(), CHARACTERS).map(
    ([at, char]) =>
      (text: string) =>
        insert(text, at, char),
  ),
  fc
    .nat()
    .map((at) => (text: string) => text.slice(0, at % (text.length + 1)) + text.slice((at % (text.length + 1)) + 1)),
  fc.tuple(fc.nat(), CHARACTERS).map(([at, char]) => (text: string) => {
    const place = at % (text.length + 1);
    return text.slice(0, place) + char + text.slice(place + 1);
  }),
  fc.nat().map((at) => (text: string) => {
    const place = at % (text.length + 1);
    return text.slice(place) + text.slice(0, place);
  }),
  fc.constantFrom<Edit>(
    (text) => text.toLowerCase(),
    (text) => text.replaceAll('%2F', '/'),
    (text) => text.replaceAll('a', '%61'),
    (text) => text.split('&').reverse().join('&'),
    (text) => `${text}&${text}`,
    (text) => `${text}0`,
    () => '',
  ),
);

function insert(text: string, at: number, char: string): string {
  const place = at % (text.length + 1);
  return text.slice(0, place) + char + text.slice(place);
}

/** @param fields the header fields that the dialect reads */
export function changesOf(fields: readonly string[]): fc.Arbitrary<Change> {
  const method = fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'get', 'post', 'Post');
  const own = fc.constantFrom(...fields);
  const queryEdit =
    (edit: Edit) =>
    ([path, query]: Split) =>
      [path, edit(query ?? 'a=1')] as const;
  return fc.oneof(
    method.map(
      (method): Change =>
        (request) => ({ ...request, method }),
    ),
    EDITS.map(
      (edit): Change =>
        (request) =>
          onTarget(request, ([path, query]) => [edit(path), query]),
    ),
    EDITS.map(
      (edit): Change =>
        (request) =>
          onTarget(request, queryEdit(edit)),
    ),
    fc.constant<Change>((request) => onTarget(request, ([path, query]) => [path, query ?? ''])),
    fc.constant<Change>((request) => onTarget(request, ([path, query]) => [path, query === '' ? null : query])),
    EDITS.map(
      (edit): Change =>
        (request) =>
          onBody(request, edit),
    ),
    fc.constant<Change>((request) => ({ ...request, target: `https://y.test${request.target}` })),
    fc.constantFrom('y.test', 'x.test:8443').map(
      (host): Change =>
        (request) =>
          onField(request, 'host', () => host),
    ),
    fc.tuple(own, EDITS).map(
      ([name, edit]): Change =>
        (request) =>
          onField(request, name, edit),
    ),
    fc.tuple(own, EDITS).map(
      ([name, edit]): Change =>
        (request) =>
          twice(request, name, edit),
    ),
    fc.tuple(fc.nat(), fc.boolean()).map(
      ([at, toBody]): Change =>
        (request) =>
          moved(request, at, toBody),
    ),
    fc.constant<Change>(swapped),
    fc.constant<Change>((request) => {
      const changed = swapped(request);
      return changed === null ? null : { ...changed, method: changed.body?.length === 0 ? 'GET' : 'POST' };
    }),
  );
}

type Split = readonly [path: string, query: string | null];

function onTarget(request: ReceivedRequest, edit: (target: Split) => Split): ReceivedRequest {
  const [path, query] = edit(splitAtMark(request.target));
  return { ...request, target: query === null ? path : `${path}?${query}` };
}

function splitAtMark(target: string): Split {
  const mark = target.indexOf('?');
  return mark < 0 ? [target, null] : [target.slice(0, mark), target.slice(mark + 1)];
}

function textOf({ body }: ReceivedRequest): string {
  return Buffer.from(body ?? []).toString('latin1');
}

function onBody(request: ReceivedRequest, edit: Edit): ReceivedRequest {
  return { ...request, body: Buffer.from(edit(textOf(request)), 'latin1') };
}

function onField(request: ReceivedRequest, name: string, edit: Edit): ReceivedRequest {
  const isIt = ([other]: FieldLine) => other.toLowerCase() === name.toLowerCase();
  return { ...request, headers: request.headers.map((line) => (isIt(line) ? [line[0], edit(line[1])] : line)) };
}

function twice(request: ReceivedRequest, name: string, edit: Edit): ReceivedRequest {
  const line = request.headers.find(([other]) => other.toLowerCase() === name.toLowerCase());
  const second = [name.toUpperCase(), edit(line?.[1] ?? '')] as const;
  return { ...request, headers: [...request.headers, second] };
}

/** Some of the end of the target at the beginning of the body, or the other way around: the same text, divided anew. */
function moved(request: ReceivedRequest, at: number, toBody: boolean): ReceivedRequest | null {
  const [target, body] = [request.target, textOf(request)];
  if (toBody) {
    const place = 1 + (at % target.length);
    return { ...request, target: target.slice(0, place), body: Buffer.from(target.slice(place) + body, 'latin1') };
  }
  const place = at % (body.length + 1);
  const target2 = target + body.slice(0, place);
  return { ...request, target: target2, body: Buffer.from(body.slice(place), 'latin1') };
}

/** The query as the body, or the body as the query, whole. */
function swapped(request: ReceivedRequest): ReceivedRequest | null {
  const [path, query] = splitAtMark(request.target);
  const body = textOf(request);
  if (query !== null && query !== '' && body === '') {
    return { ...request, target: path, body: Buffer.from(query, 'latin1') };
  }
  return body !== '' && (query ?? '') === '' ? { ...request, target: `${path}?${body}`, body: Buffer.of() } : null;
}
