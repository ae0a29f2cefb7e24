import { toBase64 } from '@keyhold/protocol/log/base64';
import { isRefusal, type Refusal } from '@keyhold/protocol/errors';
import * as operations from '@keyhold/protocol/operations/audit';
import type { FastifyInstance } from 'fastify';
import type { LogExportRow } from '../database/schema.ts';
import type { Attributed } from '../ledger/entry.ts';
import { type Gate, mount } from '../http/mount.ts';
import type { Vault } from '../vault/vault.ts';
import { createExport, removeExport } from './change-exports.ts';
import { type Exporter, firstProgress } from './exporter.ts';
import { listExports, readProgress } from './exports.store.ts';
import type { LogKey } from './open-log-keys.ts';

interface ExportsRoutes {
  readonly vault: Vault;
  readonly signingKey: () => Promise<LogKey | Refusal>;
  readonly exporter: Pick<Exporter, 'hasFile'>;
}

/** What a higher floor decides: who may, and how an entry names him. */
interface ExportPermits<P> {
  readonly read: (principal: P) => Refusal | null;
  readonly manage: (principal: P) => Refusal | null;
  readonly attribute: (principal: P, ip: string) => Attributed;
}

/** Where entries are sent, and how far that has come. */
export function mountExports<P extends { readonly id: string }>(
  app: FastifyInstance,
  gate: Gate<P>,
  permits: ExportPermits<P>,
  { vault, signingKey, exporter }: ExportsRoutes,
): void {
  mount(app, gate, operations.createExport, async ({ principal, body, ip, confirm }) => {
    const denied = permits.manage(principal) ?? (await confirm());
    if (denied !== null) return denied;
    const hasFile = exporter.hasFile.bind(exporter);
    const created = await createExport(vault, permits.attribute(principal, ip), body, hasFile);
    if (isRefusal(created)) return created;
    return { body: await showExport(vault, created.value), sequence: created.sequence };
  });

  mount(app, gate, operations.listExports, async ({ principal }) => {
    const denied = permits.read(principal);
    if (denied !== null) return denied;
    const rows = await listExports(vault.reader);
    const key = await signingKey();
    const publicKey = isRefusal(key) ? null : `whpk_${toBase64(key.note.publicKey)}`;
    return { body: { publicKey, items: await Promise.all(rows.map((row) => showExport(vault, row))) } };
  });

  mount(app, gate, operations.removeExport, async ({ principal, params, ip, confirm }) => {
    const denied = permits.manage(principal) ?? (await confirm());
    if (denied !== null) return denied;
    const removed = await removeExport(vault, permits.attribute(principal, ip), params.id);
    return isRefusal(removed) ? removed : { body: { id: params.id }, sequence: removed.sequence };
  });
}

async function showExport({ reader, ledger }: Vault, row: LogExportRow): Promise<operations.LogExport> {
  const progress = (await readProgress(reader, row.id)) ?? firstProgress(row);
  const { id, name, kind, url } = row;
  return {
    ...{ id, name, kind, url, personal: row.personal === 1 },
    sequence: progress.sequence,
    lag: Math.max(0, ledger.head.sequence - progress.sequence),
    failures: progress.failures,
    lastError: progress.last_error,
    deliveredAt: progress.delivered_at === null ? null : new Date(progress.delivered_at).toISOString(),
    createdAt: new Date(row.created_at).toISOString(),
  };
}
