import { hash, randomBytes } from 'node:crypto';
import { formatCredential } from '@keyhold/protocol/credential-format';
import type {
  ConsumerRecord,
  CredentialRecord,
  EnvironmentRecord,
  KeyRecord,
  Position,
  SettingRecord,
  TokenRecord,
} from '@keyhold/protocol/feed';

/** Feed records for tests: everything that a request needs to be accepted, until a test says otherwise. */

export const PREFIX = 'mkt_test';
export const ENVIRONMENT = 'market/test';

export function environmentRecord(changes: Partial<EnvironmentRecord> = {}): EnvironmentRecord {
  return {
    kind: 'environment',
    id: 'env_1',
    projectId: 'proj_1',
    project: 'market',
    name: 'test',
    prefix: PREFIX,
    environmentKind: 'testing',
    afterLease: 'refuse',
    ...changes,
  };
}

export function consumerRecord(changes: Partial<ConsumerRecord> = {}): ConsumerRecord {
  return { kind: 'consumer', id: 'cons_1', rateLimits: [], ...changes };
}

export function keyRecord(changes: Partial<KeyRecord> = {}): KeyRecord {
  return {
    kind: 'key',
    id: 'key_1',
    environment: 'env_1',
    consumer: 'cons_1',
    state: 'active',
    startsAt: null,
    expiresAt: null,
    permissions: ['prices:read'],
    networks: [],
    rateLimits: [],
    quota: null,
    metadata: null,
    ...changes,
  };
}

export function makeSecret(prefix: string = PREFIX): string {
  return formatCredential(prefix, randomBytes(32));
}

export function credentialRecord(secret: string, changes: Partial<CredentialRecord> = {}): CredentialRecord {
  return {
    kind: 'credential',
    id: 'cred_1',
    key: 'key_1',
    digest: hash('sha256', secret, 'hex'),
    state: 'active',
    startsAt: null,
    expiresAt: null,
    ...changes,
  };
}

export function settingRecord(changes: Partial<SettingRecord> = {}): SettingRecord {
  return {
    kind: 'setting',
    id: 'pset_1',
    environment: 'env_1',
    permission: 'orders:write',
    confirm: 'online',
    audit: null,
    ...changes,
  };
}

export function tokenRecord(secret: string, changes: Partial<TokenRecord> = {}): TokenRecord {
  return {
    kind: 'token',
    id: 'tok_1',
    digest: hash('sha256', secret, 'hex'),
    scopes: ['verify'],
    projects: null,
    environment: null,
    state: 'active',
    expiresAt: null,
    ...changes,
  };
}

/** A place in the ledger; the hash follows from the sequence unless a test forks history. */
export function positionAt(sequence: number, changes: Partial<Position> = {}): Position {
  return { installation: 'inst_1', epoch: 1, sequence, hash: hash('sha256', `entry ${sequence}`, 'hex'), ...changes };
}
