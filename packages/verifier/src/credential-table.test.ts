import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { ConsumerTable } from './consumer-table.ts';
import { CredentialTable } from './credential-table.ts';
import { digestOf as digest } from './digest.ts';
import { KeyTable } from './key-table.ts';
import { packPermissions, unpackPermissions } from './permissions.ts';

const environment = {
  id: 'env_1',
  projectId: 'proj_1',
  project: 'market',
  name: 'test',
  qualifiedName: 'market/test',
  prefix: 'mkt_test',
  afterLease: 'refuse' as const,
  settings: new Map(),
  signing: null,
  rules: null,
};
const settings = {
  environment,
  consumer: 0,
  state: 'active' as const,
  networks: new Uint8Array(),
  permissions: new Uint16Array(),
  rules: [],
  slot: 0,
  startsAt: null,
  expiresAt: null,
  quota: null,
  metadata: null,
};

function consumers(): ConsumerTable {
  const table = new ConsumerTable();
  table.set('cons_1', [], 0);
  return table;
}

const digestOf = (n: number) => digest(String(n));

/** A table with one key, and what a test sets in it. */
class Credentials {
  readonly keys = new KeyTable(consumers());
  readonly table = new CredentialTable(this.keys);
  readonly #key = this.keys.set({ ...settings, id: 'key_1' }).row;

  set(digest: string, id: string): void {
    this.table.set(digest, { id, key: this.#key, state: 'active', startsAt: null, expiresAt: null });
  }
}

it('answers like a map, whatever is set, replaced and deleted in whatever order', () => {
  const step = fc.record({ kind: fc.constantFrom('set', 'delete', 'get'), n: fc.nat(60) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
      const credentials = new Credentials();
      const model = new Map<string, string>();
      for (const [i, { kind, n }] of steps.entries()) {
        const digest = digestOf(n);
        if (kind === 'set') {
          credentials.set(digest, `cred_${i}`);
          model.set(digest, `cred_${i}`);
        } else if (kind === 'delete') {
          credentials.table.delete(digest);
          model.delete(digest);
        }
        assert.equal(credentials.table.get(digest)?.id, model.get(digest));
        assert.equal(credentials.table.size, model.size);
      }
      assert.equal(credentials.table.size, model.size);
    }),
    { numRuns: 200 },
  );
});

it('holds many, finds each, and nothing else; room that was freed is used again', () => {
  const credentials = new Credentials();
  for (let round = 0; round < 3; round++) {
    for (let n = 0; n < 20_000; n++) credentials.set(digestOf(n), `cred_${n}`);
    assert.equal(credentials.table.size, 20_000);
    assert.equal(credentials.table.slab.allocate(), 20_000 + round, 'rows that were freed are used again');
    for (let n = 0; n < 20_000; n += 7) assert.equal(credentials.table.get(digestOf(n))?.id, `cred_${n}`);
    assert.equal(credentials.table.get(digestOf(-1)), undefined);
    for (let n = 0; n < 20_000; n++) credentials.table.delete(digestOf(n));
    assert.equal(credentials.table.size, 0);
  }
});

it('tells digests apart that begin alike, and finds them by the id of their credential', () => {
  const credentials = new Credentials();
  const one = `${'\ud9c3'.repeat(15)}b`;
  const other = `${'\ud9c3'.repeat(15)}c`;
  credentials.set(one, 'cred_one');
  assert.equal(credentials.table.get(other), undefined);
  credentials.set(other, 'cred_other');
  assert.deepEqual([credentials.table.get(one)?.id, credentials.table.get(other)?.id], ['cred_one', 'cred_other']);
  credentials.table.deleteById('cred_one');
  assert.deepEqual([credentials.table.get(one)?.id, credentials.table.get(other)?.id], [undefined, 'cred_other']);
});

it('gives a credential of a removed key to no other key that takes its place', () => {
  const keys = new KeyTable(consumers());
  const table = new CredentialTable(keys);
  for (let i = 0; i < 1000; i++) {
    const { row } = keys.set({ ...settings, id: `key_${i}` });
    assert.ok(row <= 1, 'rows are used again');
    table.set(digestOf(i), { id: `cred_${i}`, key: row, state: 'active', startsAt: null, expiresAt: null });
    for (let before = Math.max(0, i - 3); before < i; before++) assert.equal(table.get(digestOf(before)), undefined);
    assert.equal(table.get(digestOf(i))?.key.id, `key_${i}`);
    keys.delete(`key_${i}`);
  }
});

it('holds networks and permissions of any length, in the record or beside it', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(40), fc.nat(300)), { maxLength: 30 }), (lengths) => {
      const keys = new KeyTable(consumers());
      const made = lengths.map(([networks, permissions], i) => ({
        ...settings,
        id: `key_${i % 7}`,
        networks: Uint8Array.from({ length: networks * 6 }, (_, at) => [4, 32, 10, networks, i, 1][at % 6] as number),
        permissions: packPermissions(Array.from({ length: permissions }, (_, at) => `p${at}:${i}`)),
      }));
      for (const [i, key] of made.entries()) {
        const row = keys.set(key);
        assert.equal(row.anywhere, key.networks.length === 0, `networks of ${i}`);
        assert.equal(row.isOpen, key.networks.length === 0);
        const all = Uint8Array.from([...key.networks, 4, 0, 0, 0, 0, 0]);
        assert.ok(keys.set({ ...key, id: 'key_open', networks: all }).isOpen, 'in the record and beside it');
        assert.equal(keys.get(key.id)?.isOpen, key.networks.length === 0);
        assert.equal(row.allowsAddress([10, lengths[i]?.[0] as number, i, 1]), key.networks.length > 0);
        assert.ok(!row.allowsAddress([10, 255, i, 1]));
        assert.deepEqual(row.permissions, unpackPermissions(key.permissions));
      }
    }),
    { numRuns: 100 },
  );
});
