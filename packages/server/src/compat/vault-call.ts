import type { ErrorCode, Refusal } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { Action } from '../access/authorise.ts';
import type { Caller, ChangeContext } from '../access/change-context.ts';
import type { Principal } from '../access/principal.ts';
import type { Database, EnvironmentRow, ProjectRow } from '../database/schema.ts';
import type { SealGate } from '../vault/seal-gate.ts';
import type { Vault } from '../vault/vault.ts';

/** What the wire API works with. */
export interface VaultApi {
  readonly authenticate: (secret: string | null, ip: string) => Promise<Principal | null>;
  readonly context: ChangeContext;
  readonly reader: Kysely<Database>;
  readonly vault: Vault;
  readonly seals: SealGate;
  /** Told what was refused to whom; null: to somebody who is not known. */
  readonly refused: (principal: Principal | null, operation: string, code: ErrorCode, ip: string) => void;
}

export interface Located {
  readonly project: ProjectRow;
  readonly environment: EnvironmentRow;
}

/** One authenticated request, read as far as every handler needs it. */
export interface VaultCall {
  readonly method: 'GET' | 'LIST' | 'POST' | 'PATCH' | 'DELETE';
  /** Behind `/v1/` and the mount, decoded. */
  readonly path: string;
  readonly query: Readonly<Record<string, string | undefined>>;
  readonly body: Readonly<Record<string, unknown>>;
  readonly caller: Caller;
  readonly token: string;
  /** `X-Vault-Wrap-TTL`: the answer shall be put aside for so long. */
  readonly wrapTtl: string | null;
  /**
   * Finds the environment that the namespace names, and whether the caller may do this there.
   * @param secret path of the one secret that it is about
   */
  readonly open: (action: Action, secret?: string) => Promise<Located | Refusal>;
}
