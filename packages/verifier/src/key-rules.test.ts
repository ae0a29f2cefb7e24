import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { RulesRecord } from '@keyhold/protocol/feed';
import { decideByRules } from './key-rules.ts';
import { compileRequirement, packPermissions, type Requirement } from './permissions.ts';
import type { ReplicaKey } from './replica.ts';

const DAY_MS = 86_400_000;
const BORN = Date.UTC(2026, 0, 1);
/** A UUIDv7 begins with its time. */
const ID = `key_${BORN.toString(16)
  .padStart(12, '0')
  .replace(/^(.{8})/, '$1-')}-7000-8000-000000000000`;
const RULES: RulesRecord = {
  kind: 'rules',
  id: 'rule_1',
  environment: 'env_1',
  withdrawals: ['funds:*'],
  withoutNetworks: { permissions: ['orders:*'], days: 30 },
  secondFactor: [],
};

function keyWith(permissions: readonly string[], isOpen = true, startsAt: number | null = null): ReplicaKey {
  const packed = packPermissions(permissions);
  return {
    id: ID,
    isOpen,
    startsAt,
    grants: (required: { isIn(packed: unknown): boolean }) => required.isIn(packed),
    allowsDestination: (address: string) => address === 'known',
  } as unknown as ReplicaKey;
}

const requirement = (text: string) => compileRequirement(text) as Requirement;
const at = (days: number) => BORN + days * DAY_MS;

it('lets a permission without networks lapse to the day, and nothing else of the key', () => {
  const key = keyWith(['orders:write', 'prices:read']);
  const ask = (permission: string, days: number, of = key) =>
    decideByRules(of, RULES, { requirement: requirement(permission), clientIp: undefined }, at(days));
  assert.equal(ask('orders:write', 30 - 1e-6), 'VALID');
  assert.equal(ask('orders:write', 30), 'INSUFFICIENT_PERMISSIONS');
  assert.equal(ask('prices:read', 300), 'VALID');
  assert.equal(ask('orders:write or prices:read', 300), 'VALID');
  assert.equal(ask('orders:write and prices:read', 300), 'INSUFFICIENT_PERMISSIONS');
  assert.equal(ask('orders:write', 300, keyWith(['orders:write'], false)), 'VALID');
  assert.equal(ask('orders:write', 300, keyWith(['*:*'])), 'INSUFFICIENT_PERMISSIONS');
  const later = keyWith(['orders:write'], true, at(90));
  assert.equal(ask('orders:write', 120 - 1e-6, later), 'VALID', 'its days begin with it');
  assert.equal(ask('orders:write', 120, later), 'INSUFFICIENT_PERMISSIONS');
  assert.equal(ask('orders:write', 30, keyWith(['orders:write'], true, at(-90))), 'INSUFFICIENT_PERMISSIONS');
});

it('asks a destination of whatever may move funds, in each branch of what is required', () => {
  const key = keyWith(['*:*'], false);
  const ask = (permission: string, destination?: string, of = key) =>
    decideByRules(of, RULES, { requirement: requirement(permission), clientIp: undefined, destination }, at(1));
  assert.equal(ask('funds:withdraw', 'known'), 'VALID');
  assert.equal(ask('funds:withdraw', 'unknown'), 'DESTINATION_NOT_ALLOWED');
  assert.equal(ask('funds:withdraw'), 'DESTINATION_NOT_ALLOWED');
  assert.equal(ask('prices:read or funds:withdraw'), 'DESTINATION_NOT_ALLOWED');
  assert.equal(ask('prices:read'), 'VALID');
  assert.equal(ask('funds:withdraw', 'known', keyWith(['funds:withdraw'])), 'NETWORK_NOT_ALLOWED');
});
