import { Readable } from 'node:stream';
import type { ReadableStream as NodeReadableStream } from 'node:stream/web';
import type { Json } from '@keyhold/protocol/canonical-json';
import { type ErrorCode, isRefusal, refuse } from '@keyhold/protocol/errors';
import { type BackupRequest, BackupRequestShape, type Drill, recordDrill } from '@keyhold/protocol/operations/backup';
import type { FastifyInstance } from 'fastify';
import { Closed } from '@keyhold/protocol/operations/shapes';
import { attribution, type Caller } from '../access/change-context.ts';
import { allowOnInstallation } from '../access/locate.ts';
import type { Store } from '../database/store.ts';
import { encryptStream } from '../delivery/age-stream.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { approvalOf, approvedly, bearerOf, mount, sentRequest, told } from '../http/mount.ts';
import { sendProblem } from '../http/problem.ts';
import { refusalsOf } from '../http/route-schema.ts';
import type { Routes } from '../projects/projects.routes.ts';
import { writeBackup } from './write-backup.ts';

export interface BackupRoutes extends Routes {
  readonly store: Store;
}

const CREATE = 'create-backup';
/** Backups that are made at a time: each keeps one state of the database, and on PostgreSQL a connection. */
const AT_ONCE = 2;
const FULL = refuse('OVERLOADED', `${AT_ONCE} backups are being made; try again once one of them is done.`);
/** For the reference. */
const REFUSALS: readonly ErrorCode[] = [
  ...(['INVALID_INPUT', 'INVALID_JSON', 'UNAUTHENTICATED', 'FORBIDDEN', 'CONFIRMATION_REQUIRED'] as const),
  ...(['APPROVALS_REQUIRED', 'BODY_TOO_LARGE', 'UNSUPPORTED_MEDIA_TYPE', 'OVERLOADED', 'STORE_UNAVAILABLE'] as const),
];
const NO_TOKEN = refuse('UNAUTHENTICATED', 'Send a token.');

export function mountBackup(app: FastifyInstance, routes: BackupRoutes): void {
  mountCreate(app, routes);
  mountDrills(app, routes);
}

/** A backup is a stream of bytes and not JSON, so its route is not mounted like the others. */
function mountCreate(app: FastifyInstance, { gate, context, store }: BackupRoutes): void {
  const { ledger, clock } = context;
  let making = 0;
  app.post(
    '/v1/backup',
    {
      schema: {
        operationId: CREATE,
        summary: 'A consistent backup of everything, encrypted to age recipients, while serving; a stream of bytes',
        tags: ['Backup'],
        security: [{ token: [] }],
        querystring: Closed({}),
        body: BackupRequestShape,
        response: {
          200: { description: 'The backup.', content: { 'application/octet-stream': { schema: { type: 'string' } } } },
          ...refusalsOf(REFUSALS),
        },
      } as object,
      // Before the body is parsed: a stranger's input is not even read.
      onRequest: async (request, reply) => {
        const principal = await gate.authenticate(bearerOf(request), request.ip);
        if (principal !== null) return;
        gate.refused?.(null, CREATE, 'UNAUTHENTICATED', request.ip);
        return sendProblem(request, reply, NO_TOKEN);
      },
    },
    async (request, reply) => {
      const find = () => gate.authenticate(bearerOf(request), request.ip);
      const principal = await find();
      if (principal === null) return sendProblem(request, reply, NO_TOKEN);
      const sent = () => sentRequest(request);
      const approved = await approvalOf(gate, { method: 'POST' }, request, principal, sent);
      if (isRefusal(approved)) return sendProblem(request, reply, approved);
      // It is used in the entry, before anything leaves.
      const entered = await approvedly(approved, async () => {
        const denied = allowOnInstallation(principal, 'backup.create');
        if (denied !== null) return await told(gate, principal, sent, denied);
        const unconfirmed = (await gate.confirm?.(principal, sent, find)) ?? null;
        if (unconfirmed !== null) return unconfirmed;
        const { recipients } = request.body as BackupRequest;
        const encrypt = await encryptStream(recipients);
        if (isRefusal(encrypt)) return encrypt;
        if (making >= AT_ONCE) return FULL;
        making++;
        let recorded: Awaited<ReturnType<typeof enterBackup>> | undefined;
        try {
          recorded = await enterBackup(ledger, { principal, ip: request.ip }, recipients);
          return isRefusal(recorded) ? recorded : { encrypt, recorded };
        } finally {
          if (recorded === undefined || isRefusal(recorded)) making--;
        }
      });
      if (isRefusal(entered)) {
        gate.refused?.(principal, CREATE, entered.refused, request.ip);
        return sendProblem(request, reply, entered);
      }
      const { encrypt, recorded } = entered;
      const { installation } = ledger.head;
      const { lines, ended } = writeBackup(store, clock);
      void ended.catch(() => {}).then(() => making--);
      const sealed = await encrypt(lines).catch(async (error: unknown) => {
        // Nobody will read them: they would hold their place and the database's state until patience ends.
        await lines.cancel().catch(() => {});
        throw error;
      });
      const body = Readable.fromWeb(sealed as unknown as NodeReadableStream<Uint8Array>);
      // What waits to be sent would else keep the connection of whoever does not read.
      ended.catch((error: Error) => body.destroy(error));
      return reply
        .type('application/octet-stream')
        .header('cache-control', 'no-store')
        .header('keyhold-installation', installation)
        .header('keyhold-sequence', String(recorded.sequence))
        .send(body);
    },
  );
}

function enterBackup(ledger: Ledger, caller: Pick<Caller, 'principal' | 'ip'>, recipients: readonly string[]) {
  const attributed = attribution({ ...caller, idempotency: undefined });
  const draft = { ...attributed, action: 'backup.created', subject: ledger.head.installation };
  const side = { ...(attributed.side as Record<string, Json>), recipients: [...recipients] };
  return ledger.record({ ...draft, side, evenWithoutChange: true }, async () => null);
}

function mountDrills(app: FastifyInstance, { gate, context: { ledger } }: Routes): void {
  mount(app, gate, recordDrill, async ({ principal, body, ip, idempotency }) => {
    const denied = allowOnInstallation(principal, 'backup.create');
    if (denied !== null) return denied;
    const draft = {
      ...attribution({ principal, ip, idempotency }),
      action: 'backup.drilled',
      subject: body.installation ?? ledger.head.installation,
      code: codeOfDrill(body),
      evenWithoutChange: true as const,
    };
    const recorded = await ledger.record(draft, async () => null);
    if (isRefusal(recorded)) return recorded;
    const { sequence } = recorded;
    return { body: { sequence }, sequence };
  });
}

/** What was found, in one code: `whole.sequence-9.rows-80.envelopes-12.sides-7.hash-…`; without what it did not come to. */
function codeOfDrill({ failed, sequence, rows, envelopes, sides, hash }: Drill): string {
  const found = Object.entries({ sequence, rows, envelopes, sides, hash }).filter(([, value]) => value !== null);
  return [failed === null ? 'whole' : `failed-${failed}`, ...found.map(([name, value]) => `${name}-${value}`)].join(
    '.',
  );
}
