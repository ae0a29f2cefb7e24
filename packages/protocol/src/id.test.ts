import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { ID_PREFIXES, type IdKind, idPattern } from './id.ts';

const KINDS = Object.keys(ID_PREFIXES) as IdKind[];

it('gives every kind a prefix of its own', () => {
  assert.equal(new Set(Object.values(ID_PREFIXES)).size, KINDS.length);
});

it('matches a UUID of version 7 behind the prefix of its kind, and behind no other', () => {
  fc.assert(
    fc.property(fc.constantFrom(...KINDS), fc.constantFrom(...KINDS), fc.uuid({ version: 7 }), (kind, other, uuid) => {
      assert.equal(new RegExp(idPattern(kind)).test(`${ID_PREFIXES[other]}_${uuid}`), kind === other);
    }),
  );
});

it('refuses other versions and variants, capitals, and anything before or behind', () => {
  const pattern = new RegExp(idPattern('key'));
  const id = 'key_0190a5c0-0000-7000-8000-000000000000';
  assert.ok(pattern.test(id));
  const wrong = [
    id.replace('-7000', '-4000'),
    id.replace('-8000', '-7000'),
    id.replace('-8000', '-c000'),
    id.toUpperCase(),
    id.replace('a5c0', 'A5C0'),
    id.replace('_', '-'),
    id.slice(0, -1),
    `${id}0`,
    `${id}\n`,
    ` ${id}`,
    id.slice(4),
    '',
  ];
  for (const text of wrong) assert.ok(!pattern.test(text), JSON.stringify(text));
});
