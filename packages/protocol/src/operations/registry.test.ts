import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { TSchema } from 'typebox';
import { ERRORS } from '../errors.ts';
import type { Operation } from '../operation.ts';
import { MANAGEMENT_OPERATIONS, VERIFIER_OPERATIONS } from './registry.ts';

const OPERATIONS: readonly Operation[] = [...MANAGEMENT_OPERATIONS, ...VERIFIER_OPERATIONS];

/** What callers choose, what other issuers say, and what browsers make of a passkey, which grows with them. */
const OPEN = new Set(['metadata', 'data', 'claims', 'response']);

it('names every operation once, in kebab case with the verb first', () => {
  assert.ok(OPERATIONS.length >= 25);
  assert.equal(new Set(OPERATIONS.map(({ id }) => id)).size, OPERATIONS.length);
  for (const { id } of OPERATIONS) assert.match(id, /^[a-z]+(-[a-z]+)*$/);
});

it('mounts no two operations of a plane at the same method and path', () => {
  for (const plane of [MANAGEMENT_OPERATIONS, VERIFIER_OPERATIONS]) {
    const places = plane.map(({ method, path }) => `${method} ${path.replaceAll(/\{\w+\}/g, '{}')}`);
    assert.equal(new Set(places).size, plane.length);
  }
});

it('declares exactly the parameters that the path has', () => {
  for (const { id, path, params } of OPERATIONS) {
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    assert.deepEqual(Object.keys(propertiesOf(params)).sort(), inPath.sort(), id);
  }
});

it('refuses with codes that the registry of errors has, each named once', () => {
  for (const { id, errors } of OPERATIONS) {
    assert.equal(new Set(errors).size, errors.length, id);
    for (const code of errors) assert.ok(Object.hasOwn(ERRORS, code), `${id}: ${code}`);
  }
});

it('gives every error a 4xx or 5xx status and a text', () => {
  for (const [code, { status, title }] of Object.entries(ERRORS)) {
    assert.match(code, /^[A-Z]+(_[A-Z]+)*$/);
    assert.ok(Number.isInteger(status) && status >= 400 && status <= 599, code);
    assert.ok(title.endsWith('.'), code);
  }
});

it('refuses unknown fields in every schema, at every depth', () => {
  for (const { id, params, query, body, response } of OPERATIONS) {
    for (const [part, schema] of Object.entries({ params, query, body, response })) {
      if (schema !== undefined) assertClosed(schema, `${id} ${part}`);
    }
  }
});

it('takes a body only where a method has one, and marks only creations as idempotent', () => {
  for (const { id, method, body, status, idempotent } of OPERATIONS) {
    if (method === 'GET') assert.equal(body, undefined, id);
    if (idempotent) assert.ok(method === 'POST' && status === 201, id);
  }
});

type Walked = TSchema & { [name: string]: unknown };

function propertiesOf(schema: TSchema | undefined): Record<string, TSchema> {
  return ((schema as Walked | undefined)?.['properties'] ?? {}) as Record<string, TSchema>;
}

function assertClosed(schema: TSchema, at: string): void {
  const walked = schema as Walked;
  const open = OPEN.has(at.split('.').at(-1) ?? '');
  if (walked['type'] === 'object' && !open) assert.equal(walked['additionalProperties'], false, `${at} is open`);
  if (open) return;
  for (const [name, property] of Object.entries(propertiesOf(schema))) assertClosed(property, `${at}.${name}`);
  if (walked['items'] !== undefined) assertClosed(walked['items'] as TSchema, `${at}.items`);
  for (const [i, choice] of ((walked['anyOf'] ?? []) as TSchema[]).entries()) assertClosed(choice, `${at}.anyOf ${i}`);
}
