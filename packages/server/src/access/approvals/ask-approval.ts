import { APPROVAL_REASON_HEADER, type SentRequest } from '@keyhold/protocol/confirmation';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import type { Kysely } from 'kysely';
import type { Database } from '../../database/schema.ts';
import { attribution, type ChangeContext } from '../change-context.ts';
import type { Judged } from '../judge.ts';
import type { RoleNamed } from '../people/person.ts';
import { isSamePlace, type Principal } from '../principal.ts';
import { digestOf, isSame, isWaiting, MAX_BODY_BYTES, MAX_WAITING, resourceOf, WAITS_MS } from './approval.ts';
import { waitingOf } from './approvals.store.ts';

export interface ApprovalContext extends ChangeContext {
  readonly reader: Kysely<Database>;
  readonly tampered: (rowId: string) => void;
  readonly roleNamed: RoleNamed;
}

const MAX_REASON_CHARS = 200;

/**
 * Lets a request wait for the approval of others, where its person says why; the same one again waits as the same. What
 * is answered is a refusal all the same: it was not done.
 * @param refusal that it takes approvals
 */
export async function askApproval(
  context: ApprovalContext,
  principal: Principal,
  sent: SentRequest,
  refusal: Refusal,
): Promise<Refusal> {
  const judged = principal.judge.decisions.findLast(({ decision }) => decision.approvals !== undefined);
  // Else it is that something else was approved than this.
  if (judged === undefined) return refusal;
  if (principal.session === undefined || sent.method === 'GET') return asForbidden(refusal);
  const reason = readReason(sent);
  if (reason === null) {
    const how = `Say why, in ${MAX_REASON_CHARS} characters at most: --approval-reason at a command line, else ${APPROVAL_REASON_HEADER}, percent-encoded.`;
    return { ...refusal, detail: `${refusal.detail} ${how}` };
  }
  if (!isPlain(sent.target)) return { ...refusal, detail: `${refusal.detail} Its address is not written plainly.` };
  if (sent.carriesSecret) return { ...refusal, detail: `${refusal.detail} It carries a secret, which waits nowhere.` };
  if (sent.body.length > MAX_BODY_BYTES) return { ...refusal, detail: `${refusal.detail} It is too long to wait.` };
  const approval = await keep(context, principal, sent, judged, reason);
  return isRefusal(approval) ? approval : { ...refusal, approval };
}

/** Reading waits for nobody. */
function asForbidden({ detail }: Refusal): Refusal {
  return refuse('FORBIDDEN', `${detail} This can be asked for nobody's approval.`);
}

function readReason({ headers }: SentRequest): string | null {
  const found = headers.filter(([name]) => name.toLowerCase() === APPROVAL_REASON_HEADER);
  try {
    const reason = found.length === 1 ? decodeURIComponent(found[0]?.[1] ?? '').trim() : '';
    return reason === '' || reason.length > MAX_REASON_CHARS || /[\x00-\x1f\x7f]/.test(reason) ? null : reason;
  } catch {
    return null;
  }
}

/**
 * An address as it is read: without a host, a fragment, an empty query, or letters that need no escape written with one.
 * What approvers look at is then what is done.
 */
function isPlain(target: string): boolean {
  const [path = '', query] = target.split('?', 2);
  if (!path.startsWith('/') || target.includes('#') || query === '') return false;
  try {
    return path
      .split('/')
      .every((part) => part === encodeURIComponent(decodeURIComponent(part)) || /^[\w.:~-]*$/.test(part));
  } catch {
    return false;
  }
}

async function keep(
  { ledger, reader, random, clock }: ApprovalContext,
  principal: Principal,
  { method, target, body, ip }: SentRequest,
  { action, resource, decision }: Judged,
  reason: string,
): Promise<string | Refusal> {
  const asked = { method, target, body: Buffer.from(body).toString('utf8') };
  const now = clock.wall();
  const own = (await waitingOf(reader, principal.id)).filter((row) => isWaiting(row, now));
  const same = own.find((row) => isSame(row, asked) && row.action === action && isSamePlace(resourceOf(row), resource));
  if (same !== undefined) return same.id;
  if (own.length >= MAX_WAITING)
    return refuse('APPROVALS_REQUIRED', `${MAX_WAITING} requests of yours wait already: withdraw one first.`);
  const id = random.newId('approvalRequest');
  const caller = { principal, ip, idempotency: undefined };
  const draft = { ...attribution(caller), action: 'approval.asked', subject: id };
  const expires_at = now + WAITS_MS;
  const recorded = await ledger.record(draft, async (facts) => {
    await facts.insert('approval_requests', {
      ...{ id, person_id: principal.id, ...asked, digest: digestOf(id, asked, expires_at), action },
      ...{ project_id: resource.project, environment_id: resource.environment, secret: resource.secret ?? null },
      ...{ rule: decision.rule, needed: decision.approvals ?? 1, reason, state: 'waiting' },
      ...{ expires_at, created_at: now },
    });
    return id;
  });
  return isRefusal(recorded) ? recorded : recorded.value;
}
