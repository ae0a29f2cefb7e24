import { ID_PREFIXES } from '@keyhold/protocol/id';
import type { Leaf } from '@keyhold/protocol/leaf';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import { type KnownThing, type Showing, showingsOf } from './exposure.ts';
import * as store from './exposures.store.ts';

/**
 * Everybody whose secret this principal holds: himself, the tokens that he made, and those that these made. What was
 * shown to any of them he may have seen.
 */
export async function findActors(db: Kysely<Database>, principal: string): Promise<readonly string[]> {
  const known = new Set([principal]);
  for (let newest: readonly string[] = [principal]; newest.length > 0; ) {
    const made = await store.tokensMadeBy(db, newest);
    newest = [...new Set(made)].filter((id) => !known.has(id));
    for (const id of newest) known.add(id);
  }
  return [...known];
}

interface Counted extends Showing {
  readonly how: Set<string>;
  readonly by: Set<string>;
  first: number;
  last: number;
  times: number;
}

/** What these came to know up to an entry, by the log; in the order in which they did. */
export async function findExposures(
  db: Kysely<Database>,
  actors: readonly string[],
  upTo: number,
): Promise<readonly KnownThing[]> {
  const things = new Map<string, Counted>();
  for await (const rows of store.showingLeaves(db, actors, upTo)) {
    for (const { sequence, leaf: text } of rows) {
      const leaf = JSON.parse(text) as Leaf;
      const showings = leaf.action === 'distribution-key.handed' ? await sharedIn(db, leaf) : showingsOf(leaf);
      for (const showing of showings) count(things, showing, leaf, sequence);
    }
    // Somebody may have been shown very much: let others have a turn.
    await new Promise(setImmediate);
  }
  return await settle(db, [...things.values()]);
}

async function sharedIn(db: Kysely<Database>, { environment = '' }: Leaf): Promise<readonly Showing[]> {
  const rows = await store.sharedCredentials(db, environment);
  return rows.map(({ id, key_id }) => ({ kind: 'key', id: key_id, part: id }));
}

function count(things: Map<string, Counted>, showing: Showing, { action, actor }: Leaf, sequence: number): void {
  const name = `${showing.id}/${showing.part}`;
  let thing = things.get(name);
  if (thing === undefined) {
    thing = { ...showing, how: new Set(), by: new Set(), first: sequence, last: sequence, times: 0 };
    things.set(name, thing);
  }
  thing.how.add(action);
  thing.by.add(actor);
  thing.first = Math.min(thing.first, sequence);
  thing.last = Math.max(thing.last, sequence);
  thing.times++;
}

/** With numbers of versions for their ids, and without what had no secret. */
async function settle(db: Kysely<Database>, counted: readonly Counted[]): Promise<KnownThing[]> {
  const parts = (prefix: string) => counted.flatMap(({ part }) => (part?.startsWith(`${prefix}_`) ? [part] : []));
  const numbers = await store.versionNumbers(db, parts(ID_PREFIXES.secretVersion));
  const factors = counted.filter(({ kind }) => kind === 'factor').map(({ id }) => id);
  const open = new Set([
    ...(await store.withoutSecret(db, 'credentials', parts(ID_PREFIXES.credential))),
    ...(await store.withoutSecret(db, 'consumer_factors', factors)),
  ]);
  const settled = new Map<string, Counted>();
  for (const thing of counted) {
    if (open.has(thing.part ?? '') || open.has(thing.id)) continue;
    const part = String(numbers.get(thing.part ?? '') ?? thing.part);
    const known = settled.get(`${thing.id}/${part}`);
    // Stored and revealed alike: one thing.
    if (known === undefined) settled.set(`${thing.id}/${part}`, { ...thing, part: thing.part === null ? null : part });
    else merge(known, thing);
  }
  return [...settled.values()]
    .map(listed)
    .sort((one, other) => one.first - other.first || (one.id < other.id ? -1 : 1));
}

function merge(into: Counted, { how, by, first, last, times }: Counted): void {
  for (const one of how) into.how.add(one);
  for (const one of by) into.by.add(one);
  into.first = Math.min(into.first, first);
  into.last = Math.max(into.last, last);
  into.times += times;
}

function listed({ kind, id, part, how, by, first, last, times }: Counted): KnownThing {
  return { kind, id, part, how: [...how].sort(), by: [...by].sort(), first, last, times };
}
