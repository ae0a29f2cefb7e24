import { isRefusal } from '@keyhold/protocol/errors';
import { VERSION } from '../version.ts';
import { data, envelope, errors, type VaultAnswer } from './vault-answer.ts';
import type { VaultApi, VaultCall } from './vault-call.ts';

/** The version of Vault's API that this speaks, and ours. Clients compare the first part. */
const API_VERSION = `1.13.0+keyhold.${VERSION}`;

/** `sys/health`: for load balancers, without a token. They say which status tells them that (`sealedcode=204`). */
export function health({ vault }: VaultApi, query: VaultCall['query']): VaultAnswer {
  const { sealed } = vault.keyring;
  const { installation } = vault.ledger.head;
  const body = {
    initialized: true,
    sealed,
    standby: false,
    performance_standby: false,
    replication_performance_mode: 'disabled',
    replication_dr_mode: 'disabled',
    server_time_utc: Math.floor(vault.clock.wall() / 1000),
    version: API_VERSION,
    cluster_name: 'keyhold',
    cluster_id: installation,
  };
  const status = statusNamed(query[sealed ? 'sealedcode' : 'activecode'], sealed ? 503 : 200);
  return status === null ? errors(400, 'a code is a status from 200 to 599') : { status, body };
}

function statusNamed(named: string | undefined, otherwise: number): number | null {
  if (named === undefined) return otherwise;
  return /^[2-5]\d\d$/.test(named) ? Number(named) : null;
}

/** `sys/init`, without a token: clients ask before anything else. An installation is initialised by its first start. */
export const INITIALIZED: VaultAnswer = { status: 200, body: { initialized: true } };

/** `sys/seal-status`, without a token: who has to unseal must see how far it is. */
export async function sealStatus({ seals, vault }: VaultApi): Promise<VaultAnswer> {
  const seal = await seals.show();
  if (isRefusal(seal)) return errors(500, seal.detail);
  const threshold = seal.threshold ?? 1;
  // Shares of a change that are given back are nobody's business but who changes it.
  const attempt = seal.sealed ? seal.attempt : null;
  return {
    status: 200,
    body: {
      type: seal.kind,
      initialized: true,
      sealed: seal.sealed,
      t: threshold,
      n: seal.shares ?? 1,
      progress: attempt?.given.length ?? 0,
      nonce: attempt?.nonce ?? '',
      version: API_VERSION,
      build_date: '',
      migration: false,
      cluster_name: 'keyhold',
      cluster_id: vault.ledger.head.installation,
      recovery_seal: false,
      storage_type: 'keyhold',
    },
  };
}

const TUNE = { default_lease_ttl: 0, max_lease_ttl: 0, force_no_cache: false };
const MOUNTS = {
  'secret/': { type: 'kv', description: 'versioned secrets', options: { version: '2' } },
  'transit/': { type: 'transit', description: 'encryption as a service', options: null },
} as const;

function describe(path: keyof typeof MOUNTS, cluster: string) {
  const { type, description, options } = MOUNTS[path];
  const accessor = `${type}_${cluster}`;
  return {
    type,
    description,
    accessor,
    config: TUNE,
    options,
    local: false,
    seal_wrap: false,
    external_entropy_access: false,
  };
}

/** `sys/mounts`: the two that every environment has. */
export function mounts({ vault }: VaultApi): VaultAnswer {
  const { installation } = vault.ledger.head;
  const all = Object.fromEntries(
    (Object.keys(MOUNTS) as (keyof typeof MOUNTS)[]).map((path) => [path, describe(path, installation)]),
  );
  const answer = data(all);
  return { status: 200, body: { ...answer.body, ...all } };
}

/** `sys/internal/ui/mounts` and one of them, which clients ask to learn the version of a KV engine. */
export function uiMounts({ vault }: VaultApi, path: string): VaultAnswer {
  const { installation } = vault.ledger.head;
  if (path === '') {
    const secret = Object.fromEntries(
      (Object.keys(MOUNTS) as (keyof typeof MOUNTS)[]).map((mount) => [mount, describe(mount, installation)]),
    );
    return data({ auth: { 'token/': { type: 'token', description: '', options: null } }, secret });
  }
  const mount = (Object.keys(MOUNTS) as (keyof typeof MOUNTS)[]).find((one) => `${path}/`.startsWith(one));
  if (mount === undefined)
    return errors(
      403,
      'preflight capability check returned 403, please ensure the path is one of secret/ and transit/',
    );
  return envelope({ data: { ...describe(mount, installation), path: mount } });
}
