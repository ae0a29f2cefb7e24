import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { LogExportRow } from '../database/schema.ts';
import type { Attributed, Recorded } from '../ledger/entry.ts';
import { prunedUpTo } from '../ledger/pruned.store.ts';
import type { Vault } from '../vault/vault.ts';
import { findExportByName } from './exports.store.ts';

export interface NewExport {
  readonly name: string;
  readonly kind: 'webhook' | 'file';
  readonly url?: string;
  /** First entry that it gets; by default the next one. */
  readonly from?: number;
  readonly personal?: boolean;
}

type Caller = Attributed;
type Own = Pick<Vault, 'ledger' | 'random' | 'clock'>;

export async function createExport(
  vault: Own,
  caller: Caller,
  input: NewExport,
  hasFile: (name: string) => boolean,
): Promise<Recorded<LogExportRow> | Refusal> {
  const url = input.kind === 'webhook' ? webhookUrl(input.url) : null;
  if (isRefusal(url)) return url;
  if (input.kind === 'file' && input.url !== undefined) {
    return refuse('INVALID_INPUT', 'A file has no address; it is named by the export.', '/url');
  }
  const { ledger, random, clock } = vault;
  const id = random.newId('logExport');
  const draft = { ...caller, action: 'log-export.created', subject: id };
  return await ledger.record(draft, async (facts) => {
    if ((await findExportByName(facts.db, input.name)) !== undefined) {
      return refuse('EXPORT_EXISTS', `There is an export ${input.name}.`, '/name');
    }
    // It may have personal parts, which the one that is made now was not asked for.
    if (input.kind === 'file' && hasFile(input.name)) {
      const detail = `The file of an export ${input.name} that was removed is still there: move it, or take another name.`;
      return refuse('EXPORT_EXISTS', detail, '/name');
    }
    const next = ledger.head.sequence + 1;
    const first = input.from ?? next;
    if (first > next) return refuse('INVALID_INPUT', `The next entry is ${next}: none would be sent.`, '/from');
    const { upTo } = await prunedUpTo(facts.db);
    if (first <= upTo) {
      return refuse('INVALID_INPUT', `Entries up to ${upTo} were given up: they can't be sent.`, '/from');
    }
    return await facts.insert('log_exports', {
      id,
      name: input.name,
      kind: input.kind,
      url,
      first_sequence: first,
      personal: input.personal === true ? 1 : 0,
      created_at: clock.wall(),
    });
  });
}

export async function removeExport(vault: Own, caller: Caller, id: string): Promise<Recorded<LogExportRow> | Refusal> {
  const draft = { ...caller, action: 'log-export.removed', subject: id, locks: [id] };
  return await vault.ledger.record(draft, async (facts) => {
    const { row } = await facts.examine('log_exports', id);
    if (row === undefined) return refuse('EXPORT_NOT_FOUND', `There is no export ${id}.`, 'id');
    await facts.remove('log_exports', row);
    return row;
  });
}

const LOOPBACK = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])$/;

/** Entries say who does what: they leave over TLS, or not the machine. */
function webhookUrl(text: string | undefined): string | Refusal {
  const url = text === undefined ? null : URL.parse(text);
  if (url === null || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    return refuse('INVALID_INPUT', 'A webhook has an address, https://…', '/url');
  }
  if (url.username !== '' || url.password !== '') {
    return refuse('INVALID_INPUT', 'The address is kept and shown: it must not carry a password.', '/url');
  }
  if (url.protocol === 'http:' && !LOOPBACK.test(url.hostname)) {
    return refuse('INVALID_INPUT', 'Beyond this machine it has to be https://.', '/url');
  }
  return url.href;
}
