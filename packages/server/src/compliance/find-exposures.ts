import type { Leaf } from '@keyhold/protocol/leaf';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import { readCheckedRows } from '../ledger/checked-rows.ts';
import { type KnownThing, type Showing, SHOWING_ACTIONS, showingsOf, takenIn } from './exposure.ts';
import * as store from './exposures.store.ts';
import { findGiven } from './find-given.ts';

/**
 * Everybody whose secret this principal holds or can get: himself, the tokens that he made and the workloads that he
 * trusted, what was given to these, and what they made. What was shown to any of them he may have seen.
 * @param without what they made is left out
 */
export async function findActors(
  db: Kysely<Database>,
  principal: string,
  without: ReadonlySet<string> = new Set(),
): Promise<readonly string[]> {
  const known = new Set([principal]);
  for (let newest: readonly string[] = [principal]; newest.length > 0; ) {
    const made = await store.madeBy(db, newest);
    newest = [...new Set(made)].filter((id) => !known.has(id) && !without.has(id));
    for (const id of newest) known.add(id);
  }
  return [...known];
}

interface Handed {
  readonly first: { readonly leaf: Leaf; readonly sequence: number };
  readonly last: number;
  readonly times: number;
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
  /** By environment and token: when its shared secrets were opened to it. A verifier may ask as often as it likes. */
  const shared = new Map<string, Handed>();
  for await (const rows of store.leavesOf(db, actors, SHOWING_ACTIONS, upTo)) {
    const leaves = rows.map(({ leaf }) => JSON.parse(leaf) as Leaf);
    const given = await findGiven(db, leaves);
    for (const leaf of leaves) {
      const { sequence } = leaf;
      for (const showing of showingsOf(leaf)) count(things, showing, leaf, sequence);
      const taken = given.get(takenIn(leaf) ?? '');
      if (taken !== undefined) count(things, taken, leaf, sequence);
      if (leaf.action !== 'distribution-key.handed') continue;
      const name = `${leaf.environment} ${leaf.actor}`;
      const handed = shared.get(name) ?? { first: { leaf, sequence }, last: sequence, times: 0 };
      shared.set(name, { ...handed, last: sequence, times: handed.times + 1 });
    }
    // Somebody may have been shown very much: let others have a turn.
    await new Promise(setImmediate);
  }
  for (const { first, last, times } of shared.values()) {
    for (const showing of await store.sharedSecrets(db, first.leaf.environment ?? '')) {
      count(things, showing, first.leaf, first.sequence);
      if (times > 1) count(things, showing, first.leaf, last, times - 1);
    }
  }
  return await settle(db, [...things.values()]);
}

function count(
  things: Map<string, Counted>,
  showing: Showing,
  { action, actor }: Leaf,
  sequence: number,
  times = 1,
): void {
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
  thing.times += times;
}

/** With numbers of versions for their ids, and without what had no secret. */
async function settle(db: Kysely<Database>, counted: readonly Counted[]): Promise<KnownThing[]> {
  const ids = counted.flatMap(({ id, part }) => (part === null ? [id] : [id, part]));
  const numbers = new Map<string, string>();
  const open = new Set<string>();
  // What was written past the ledger stays in the list, whatever it says of itself.
  for (const one of await readCheckedRows(db, ['secret_versions', 'credentials', 'consumer_factors'], ids)) {
    if ('tampered' in one) continue;
    if (one.table === 'secret_versions') numbers.set(one.row.id, String(one.row.version));
    if (one.table === 'credentials' && one.row.kind === 'public-key') open.add(one.row.id);
    if (one.table === 'consumer_factors' && one.row.kind === 'passkey') open.add(one.row.id);
  }
  const settled = new Map<string, Counted>();
  for (const thing of counted) {
    if (open.has(thing.part ?? thing.id)) continue;
    const part = thing.part === null ? null : (numbers.get(thing.part) ?? thing.part);
    const known = settled.get(`${thing.id}/${part}`);
    // Stored and revealed alike: one thing.
    if (known === undefined) settled.set(`${thing.id}/${part}`, { ...thing, part });
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
