import { type Kysely, type RawBuilder, sql } from 'kysely';
import type { Database } from '../database/schema.ts';

type Db = Kysely<Database>;

/** Epoch milliseconds, both inclusive. */
export interface TimeRange {
  readonly sinceMs?: number | undefined;
  readonly untilMs?: number | undefined;
}

/** How much each read looks at; the ones by time never leave their index. */
const BY_TIME = 1_000;
const BY_SEQUENCE = 250;

interface Part {
  /** Sequence of the outermost in it; null where there is none. */
  readonly edge: number | null;
  /** To where it looked; null: to the end. */
  readonly through: number | null;
}

/**
 * Sequence of the first entry made within a time, or of the last one; null where there is none. Clocks may have gone
 * back, so neither is known by its time alone. Looked for in order from that end of the log and through all of that
 * time at once: what is found first ends it, and between two reads others have their turn.
 */
export async function edgeOf(db: Db, edge: 'first' | 'last', range: TimeRange): Promise<number | null> {
  return (await edgeWithin(db, edge, range, Number.MAX_SAFE_INTEGER)) ?? null;
}

/** The same; undefined where so many rounds do not tell. */
export async function edgeWithin(
  db: Db,
  edge: 'first' | 'last',
  range: TimeRange,
  rounds: number,
): Promise<number | null | undefined> {
  const { sinceMs = Number.MIN_SAFE_INTEGER, untilMs = Number.MAX_SAFE_INTEGER } = range;
  const outermost = edge === 'first' ? Math.min : Math.max;
  let known: number | null = null;
  let [after, since, until]: [number | null, number, number] = [null, sinceMs, untilMs];
  for (let round = 0; round < rounds; round++) {
    const next = await nextBySequence(db, edge, after, { sinceMs, untilMs });
    if (next.edge !== null || next.through === null) return next.edge;
    const part = await nextByTime(db, edge, since, until);
    if (part.edge !== null) known = known === null ? part.edge : outermost(known, part.edge);
    if (part.through === null) return known;
    after = next.through;
    // Of one time the outermost come first, so the rest of it need not be seen.
    if (edge === 'first') since = part.through + 1;
    else until = part.through - 1;
    await new Promise(setImmediate);
  }
  return undefined;
}

interface PartRow {
  readonly edge: number | null;
  readonly through: number | null;
  readonly seen: number;
}

async function nextBySequence(
  db: Db,
  edge: 'first' | 'last',
  after: number | null,
  { sinceMs, untilMs }: { readonly sinceMs: number; readonly untilMs: number },
): Promise<Part> {
  const [least, most, order] = directionOf(edge);
  const beyond =
    after === null ? sql`` : edge === 'first' ? sql`where sequence > ${after}` : sql`where sequence < ${after}`;
  return await partOf(
    db,
    sql<PartRow>`select ${least}(case when at >= ${sinceMs} and at <= ${untilMs} then sequence end) as edge,
      ${most}(sequence) as through, count(*) as seen
      from (select sequence, at from entries ${beyond} order by sequence ${order} limit ${BY_SEQUENCE}) as part`,
    BY_SEQUENCE,
  );
}

async function nextByTime(db: Db, edge: 'first' | 'last', since: number, until: number): Promise<Part> {
  const [least, most, order] = directionOf(edge);
  return await partOf(
    db,
    sql<PartRow>`select ${least}(sequence) as edge, ${most}(at) as through, count(*) as seen
      from (select sequence, at from entries where at >= ${since} and at <= ${until}
        order by at ${order}, sequence ${order} limit ${BY_TIME}) as part`,
    BY_TIME,
  );
}

function directionOf(edge: 'first' | 'last') {
  const [min, max] = [sql`min`, sql`max`];
  return edge === 'first' ? [min, max, sql`asc`] : [max, min, sql`desc`];
}

async function partOf(db: Db, query: RawBuilder<PartRow>, limit: number): Promise<Part> {
  const { edge, through, seen } = (await query.execute(db)).rows[0] as PartRow;
  return { edge: edge === null ? null : Number(edge), through: Number(seen) < limit ? null : Number(through) };
}
