import type { Operation } from '@keyhold/protocol/operation';
import { sealInstallation } from '@keyhold/protocol/operations/seal';
import { signOut } from '@keyhold/protocol/operations/sign-in';
import fc from 'fast-check';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { addressAttacks, headerAttacks, targetOf } from './attacks-address.ts';
import { arbitraryOf, type Schema } from './attacks-schema.ts';
import {
  addAt,
  FORBIDDEN_NAMES,
  hostileValue,
  NEVER_TAKEN,
  placesIn,
  replaceAt,
  strangeName,
  toJsonText,
} from './attacks-values.ts';
import type { AttackedWorld } from './attacks-world.ts';
import type { WireRequest } from './attacks-wire.ts';

/** A hostile request to one operation. */
export interface Attack extends WireRequest {
  readonly operation: Operation;
  readonly kind: string;
  /** It must be refused: neither the schema nor any rule lets it through. */
  readonly certain: boolean;
}

/** Parts of a valid request, from which attacks are made. */
export interface Valid {
  readonly params: Readonly<Record<string, string>>;
  readonly query: Readonly<Record<string, unknown>>;
  readonly body: unknown;
}

export type Headers = WireRequest['headers'];

const BODY_LIMIT_BYTES = 64 * 1024;

/**
 * Left out, for they take no input: `seal-installation` closes the seal for everything that follows, and `sign-out` ends
 * the session that the rest comes with.
 */
export function attackable(operations: readonly Operation[]): readonly Operation[] {
  return operations.filter(({ id }) => id !== sealInstallation.id && id !== signOut.id);
}

/** Another operation's attack that ends there all the same, such as the other methods of `get-seal`. */
function closesAll({ method, target }: WireRequest): boolean {
  return method === sealInstallation.method && /^\/v1\/(?:seal|sign-out)\/?(?:[?#].*)?$/i.test(target);
}

/** Hostile requests of every kind to an operation. */
export function attacksOn(operation: Operation, world: AttackedWorld): fc.Arbitrary<Attack> {
  return everyAttackOn(operation, world).filter((attack) => !closesAll(attack));
}

function everyAttackOn(operation: Operation, world: AttackedWorld): fc.Arbitrary<Attack> {
  const part = (schema: unknown) =>
    schema === undefined ? fc.constant({}) : arbitraryOf(schema as Schema, world.real);
  const valid = fc.record({ params: part(operation.params), query: part(operation.query), body: part(operation.body) });
  const headers: Headers = [['authorization', `Bearer ${world.admin}`]];
  return (valid as fc.Arbitrary<Valid>).chain((request) => {
    const shared = [
      ...addressAttacks(operation, request, world, headers),
      ...headerAttacks(operation, request, world, headers),
      unharmed(operation, request, headers),
    ];
    if (operation.method === 'GET') return fc.oneof(...shared);
    // A claimed key sends the body through a digest before the route sees it.
    const claim: Headers =
      operation.idempotent === true ? [['idempotency-key', JSON.stringify(request.body).length.toString()]] : [];
    const bodies = [headers, [...headers, ...claim]].flatMap((fields) => bodyAttacks(operation, request, fields));
    return fc.oneof({ weight: 2, arbitrary: fc.oneof(...bodies) }, { weight: 1, arbitrary: fc.oneof(...shared) });
  });
}

/** The valid request itself: without it nobody would see that the others fail for the right reason. */
function unharmed(operation: Operation, request: Valid, headers: Headers): fc.Arbitrary<Attack> {
  return fc.constant(withBody(operation, request, headers, 'valid', toJsonText(request.body), false));
}

function bodyAttacks(operation: Operation, request: Valid, headers: Headers): fc.Arbitrary<Attack>[] {
  const { body } = request;
  const place = fc.constantFrom(...placesIn(body));
  const attack = (kind: string, text: string | Buffer, certain = false) =>
    withBody(operation, request, headers, kind, text, certain);
  const text = toJsonText(body);
  const bytes = Buffer.from(text);
  const limit = operation.maxBodyBytes ?? BODY_LIMIT_BYTES;
  const cut = fc.integer({ min: 1, max: Math.max(1, bytes.length - 1) });
  return [
    fc.tuple(place, hostileValue).map(([at, value]) => attack('wrong value', toJsonText(replaceAt(body, at, value)))),
    fc
      .tuple(place, fc.constantFrom(...NEVER_TAKEN))
      .map(([at, value]) => attack('never taken', toJsonText(replaceAt(body, at, value)), true)),
    place.map((at) => attack('missing field', toJsonText(replaceAt(body, at, undefined)))),
    fc
      .tuple(place, strangeName, hostileValue)
      .map(([at, name, value]) => attack('strange field', toJsonText(addAt(body, at, name, value)), name === '\u0000')),
    fc
      .tuple(place, fc.constantFrom(...FORBIDDEN_NAMES), hostileValue)
      .map(([at, name, value]) => attack('prototype name', toJsonText(addAt(body, at, name, value)), true)),
    fc
      .tuple(fc.constantFrom(...Object.keys(body as object), 'x'), hostileValue)
      .map(([name, value]) =>
        attack(
          'name twice',
          `{${JSON.stringify(name)}:${toJsonText(value)}${text === '{}' ? '' : ','}${text.slice(1)}`,
        ),
      ),
    cut.map((at) => attack('cut off', bytes.subarray(0, at), true)),
    fc
      .tuple(cut, fc.constantFrom('ff', 'c080', 'eda080', 'f4908080', 'e2', '80'))
      .map(([at, hex]) =>
        attack('not UTF-8', Buffer.concat([bytes.subarray(0, at), Buffer.from(hex, 'hex'), bytes.subarray(at)]), true),
      ),
    fc
      .constantFrom(1, 1000, BODY_LIMIT_BYTES)
      .map((excess) => attack('huge', Buffer.concat([bytes, Buffer.alloc(limit + excess - bytes.length, ' ')]), true)),
    fc
      .constantFrom('', 'null', '[]', '"a"', '0', 'true', '{', '\ufeff{}', '{}{}', '{},', '/**/{}', '[{}]')
      .map((other) => attack('another body', other)),
    fc.uint8Array({ minLength: 1, maxLength: 200 }).map((random) => attack('noise', Buffer.from(random))),
  ];
}

const bodyChecks = new WeakMap<object, ReturnType<typeof Compile>>();

/** Whether the operation's own schema refuses the body; an operation without a body takes none, `null` or `{}`. */
function isRefusedBySchema({ body }: Operation, bytes: Buffer): boolean {
  // No body is an empty one.
  if (bytes.length === 0) return body !== undefined && !checkOf(body).Check({});
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
  } catch {
    return true;
  }
  if (body === undefined) return !(value === null || (isRecord(value) && Object.keys(value).length === 0));
  return !checkOf(body).Check(value);
}

function checkOf(body: TSchema): ReturnType<typeof Compile> {
  let check = bodyChecks.get(body);
  if (check === undefined) bodyChecks.set(body, (check = Compile(body)));
  return check;
}

function isRecord(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function withBody(
  operation: Operation,
  request: Valid,
  headers: Headers,
  kind: string,
  text: string | Buffer,
  certain: boolean,
): Attack {
  const target = targetOf(operation, request.params, request.query);
  const base = { operation, kind, method: operation.method, target };
  if (operation.method === 'GET') return { ...base, headers, body: null, certain };
  const body = Buffer.from(text as string);
  const typed: Headers = [...headers, ['content-type', 'application/json']];
  return { ...base, headers: typed, body, certain: certain || isRefusedBySchema(operation, body) };
}
