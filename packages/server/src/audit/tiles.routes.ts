import { verifyPage } from '@keyhold/auditor/page/verify-page';
import { isRefusal, type Refusal, refuse } from '@keyhold/protocol/errors';
import { bundleOf, parseTilePath, type Tile, TILE_WIDTH } from '@keyhold/protocol/log/tile';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import { bearerOf, type Gate } from '../http/mount.ts';
import { sendProblem } from '../http/problem.ts';
import { leavesBetween } from '../ledger/entries.store.ts';
import type { TransparencyLog } from './log.ts';
import { hasTile } from './log-tiles.ts';
import type { Witnesses } from './witnesses.ts';

const NO_TILE = refuse('ENTRY_NOT_FOUND', 'The log has no such tile: it is not that long yet, or this is no tile.');
const NO_CHECKPOINT = refuse(
  'ENTRY_NOT_FOUND',
  'No checkpoint has been signed yet: the installation was never unsealed.',
);

export interface TileRoutes {
  readonly log: TransparencyLog;
  readonly witnesses: Witnesses;
  readonly reader: Kysely<Database>;
}

/**
 * The log as c2sp.org/tlog-tiles has it, at `/audit/`: its checkpoint and hashes for anybody, since they tell nothing
 * but that something happened; the entries for whoever may read the log. Beside it, the page that checks files of it.
 */
export function mountTiles<P extends { readonly id: string }>(
  app: FastifyInstance,
  gate: Gate<P>,
  permit: (principal: P) => Refusal | null,
  { log, witnesses, reader }: TileRoutes,
): void {
  app.get('/audit/checkpoint', { schema: { hide: true } as object }, async (request, reply) => {
    const { published } = log;
    if (published === null) return sendProblem(request, reply, NO_CHECKPOINT);
    const { note } = witnesses.cosigned(published);
    return reply.type('text/plain; charset=utf-8').header('cache-control', 'no-cache').send(note);
  });

  app.get('/audit/verify', { schema: { hide: true } as object }, async (_request, reply) => {
    reply.header('content-security-policy', "frame-ancestors 'none'").header('cache-control', 'no-cache');
    return reply.type('text/html; charset=utf-8').send(await verifyPage());
  });

  app.get('/audit/tile/*', { schema: { hide: true } as object }, async (request, reply) => {
    const tile = parseTilePath(`tile/${(request.params as { '*': string })['*']}`);
    if (tile === null || !isInLog(tile, log.published?.size ?? 0)) return sendProblem(request, reply, NO_TILE);
    if (tile.level !== 'entries') {
      const hashes = await log.unlessMissing(log.tiles.hashes(tile.level, tile.number, tile.width));
      return isRefusal(hashes) ? sendProblem(request, reply, hashes) : send(reply, 'public', Buffer.concat(hashes));
    }
    const denied = await denial(request, gate, permit);
    if (denied !== null) return sendProblem(request, reply, denied);
    const first = tile.number * TILE_WIDTH;
    const entries = await leavesBetween(reader, first, first + tile.width);
    if (entries.length !== tile.width) return sendProblem(request, reply, NO_TILE);
    // No cache on the way may hand on what this caller alone was allowed to read (RFC 9111 §3.5).
    return send(reply, 'private', bundleOf(entries.map(({ leaf }) => Buffer.from(leaf))));
  });
}

function isInLog({ level, number, width }: Tile, size: number): boolean {
  return hasTile(level === 'entries' ? 0 : level, number, width, size);
}

async function denial<P extends { readonly id: string }>(
  request: FastifyRequest,
  gate: Gate<P>,
  permit: (principal: P) => Refusal | null,
): Promise<Refusal | null> {
  const principal = await gate.authenticate(bearerOf(request), request.ip);
  const denied =
    principal === null
      ? refuse('UNAUTHENTICATED', 'Send a token as "Authorization: Bearer <token>".')
      : permit(principal);
  if (denied !== null) gate.refused?.(principal, 'read-entry-tile', denied.refused, request.ip);
  return denied;
}

/** What was once published never changes. */
function send(reply: FastifyReply, caches: 'public' | 'private', bytes: Uint8Array): FastifyReply {
  return reply
    .type('application/octet-stream')
    .header('cache-control', `${caches}, max-age=31536000, immutable`)
    .send(Buffer.from(bytes));
}
