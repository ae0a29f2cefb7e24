import assert from 'node:assert/strict';
import { it } from 'node:test';
import { STATES, type State } from '@keyhold/protocol/state';
import { VERDICT_CODES } from '@keyhold/protocol/verdict';
import { type DecisionRequest, decide } from './decide.ts';
import { containsAddress, type PackedNetworks, packNetworks } from './networks.ts';
import { compileRequirement, packPermissions } from './permissions.ts';
import type { ReplicaCredential, ReplicaKey } from './replica.ts';

const NOW = Date.UTC(2026, 0, 15, 12);
const REQUEST: DecisionRequest = { requirement: compileRequirement('prices:read'), clientIp: '10.0.0.1' };

interface Case {
  readonly key?: Partial<ReplicaKey>;
  readonly credential?: Partial<ReplicaCredential>;
  readonly networks?: readonly string[];
  readonly permissions?: readonly string[];
}

function made({ key, credential, networks = [], permissions = ['prices:read'] }: Case): ReplicaCredential {
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
  const base: ReplicaKey = {
    id: 'key_1',
    environment,
    consumer: { id: 'cons_1', rules: [], slot: 0 },
    consumerId: 'cons_1',
    state: 'active',
    startsAt: null,
    expiresAt: null,
    permissions,
    grants: (required) => required.isIn(packPermissions(permissions)),
    anywhere: networks.length === 0,
    isOpen: networks.length === 0,
    allowsDestination: () => false,
    allowsAddress: (address) => containsAddress(packNetworks(networks) as PackedNetworks, address),
    rules: [],
    slot: 0,
    quota: null,
    metadata: null,
  };
  const always = { startsAt: null, expiresAt: null };
  return { tally: 0, id: 'cred_1', key: { ...base, ...key }, state: 'active', ...always, ...credential };
}

it('lets the stricter of the two states count, for every pair of them', () => {
  const code: Record<State, string> = {
    active: 'VALID',
    'pre-active': 'NOT_YET_VALID',
    suspended: 'SUSPENDED',
    deactivated: 'REVOKED',
    compromised: 'REVOKED',
    destroyed: 'NOT_FOUND',
  };
  const strictness = ['VALID', 'NOT_YET_VALID', 'SUSPENDED', 'REVOKED', 'NOT_FOUND'];
  for (const key of STATES) {
    for (const credential of STATES) {
      const expected = Math.max(strictness.indexOf(code[key]), strictness.indexOf(code[credential]));
      const actual = decide(made({ key: { state: key }, credential: { state: credential } }), REQUEST, NOW);
      assert.equal(actual, strictness[expected], `${key} and ${credential}`);
    }
  }
});

it('is valid from its start on, and no longer at its end, for the key and for the credential', () => {
  for (const owner of ['key', 'credential'] as const) {
    const during = (bounds: { startsAt?: number; expiresAt?: number }) =>
      decide(made({ [owner]: bounds }), REQUEST, NOW);
    assert.equal(during({ startsAt: NOW + 1 }), 'NOT_YET_VALID', owner);
    assert.equal(during({ startsAt: NOW }), 'VALID', owner);
    assert.equal(during({ expiresAt: NOW + 1 }), 'VALID', owner);
    assert.equal(during({ expiresAt: NOW }), 'EXPIRED', owner);
    assert.equal(during({ expiresAt: NOW - 1 }), 'EXPIRED', owner);
    assert.equal(during({ startsAt: 0, expiresAt: NOW + 1 }), 'VALID', owner);
    assert.equal(during({ startsAt: NOW + 1, expiresAt: NOW }), 'NOT_YET_VALID', owner);
  }
});

it('takes the narrower time of key and credential', () => {
  assert.equal(decide(made({ key: { expiresAt: NOW + 9 }, credential: { expiresAt: NOW } }), REQUEST, NOW), 'EXPIRED');
  assert.equal(decide(made({ key: { expiresAt: NOW }, credential: { expiresAt: NOW + 9 } }), REQUEST, NOW), 'EXPIRED');
  assert.equal(
    decide(made({ key: { startsAt: NOW + 1 }, credential: { startsAt: 0 } }), REQUEST, NOW),
    'NOT_YET_VALID',
  );
});

it('says EXPIRED of what time has ended and REVOKED of what a person has, also when both did', () => {
  assert.equal(decide(made({ key: { expiresAt: NOW - 1 } }), REQUEST, NOW), 'EXPIRED');
  assert.equal(decide(made({ key: { expiresAt: NOW - 1, state: 'deactivated' } }), REQUEST, NOW), 'REVOKED');
});

it('allows a network only by an address that the caller named and that can be read', () => {
  const bound = made({ networks: ['10.0.0.0/8', '2001:db8::/32'] });
  const from = (clientIp: string | undefined) => decide(bound, { ...REQUEST, clientIp }, NOW);
  for (const ip of ['10.9.9.9', '::ffff:10.0.0.1', '2001:db8::7']) assert.equal(from(ip), 'VALID', ip);
  for (const ip of [undefined, '', '11.0.0.1', '::1', 'localhost', '10.0.0.1:80', '10.0.0.1, 10.0.0.2']) {
    assert.equal(from(ip), 'NETWORK_NOT_ALLOWED', ip);
  }
  assert.equal(decide(made({}), { ...REQUEST, clientIp: 'nonsense' }, NOW), 'VALID', 'no networks: from anywhere');
});

it('denies a permission that is not granted, and requires none where none is required', () => {
  const none = made({ permissions: [] });
  assert.equal(decide(none, REQUEST, NOW), 'INSUFFICIENT_PERMISSIONS');
  assert.equal(decide(none, { ...REQUEST, requirement: null }, NOW), 'VALID');
});

it('gives a request that is wrong in several ways the earliest code', () => {
  const faults: readonly (readonly [code: string, fault: Case])[] = [
    ['NOT_FOUND', { key: { state: 'destroyed' } }],
    ['REVOKED', { key: { state: 'compromised' } }],
    ['SUSPENDED', { key: { state: 'suspended' } }],
    ['NOT_YET_VALID', { key: { startsAt: NOW + 1 } }],
    ['EXPIRED', { credential: { expiresAt: NOW } }],
    ['NETWORK_NOT_ALLOWED', { networks: ['192.0.2.0/24'] }],
    ['INSUFFICIENT_PERMISSIONS', { permissions: ['orders:*'] }],
  ];
  const order = faults.map(([code]) => VERDICT_CODES.indexOf(code as (typeof VERDICT_CODES)[number]));
  assert.deepEqual(
    order,
    order.toSorted((a, b) => a - b),
  );
  for (let some = 1; some < 1 << faults.length; some++) {
    const chosen = faults.filter((_, i) => (some >> i) & 1);
    // Of several states the earliest is kept: a key has one.
    const merged = chosen.reduceRight<Case>(
      (all, [, fault]) => ({
        key: { ...all.key, ...fault.key },
        credential: { ...all.credential, ...fault.credential },
        networks: fault.networks ?? all.networks ?? [],
        permissions: fault.permissions ?? all.permissions ?? ['prices:read'],
      }),
      {},
    );
    assert.equal(decide(made(merged), REQUEST, NOW), chosen[0]?.[0], chosen.map(([code]) => code).join(' + '));
  }
});
