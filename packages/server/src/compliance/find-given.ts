import { ID_PREFIXES, type IdKind } from '@keyhold/protocol/id';
import type { Leaf } from '@keyhold/protocol/leaf';
import type { Kysely } from 'kysely';
import type { Database } from '../database/schema.ts';
import { findDelivered } from '../secrets/secrets.store.ts';
import { type Showing, takenIn } from './exposure.ts';
import { lastSubjects, placesOfCredentials, placesOfVersions } from './exposures.store.ts';

/** What each delivery that these entries took gave, by its id; none of what Keyhold keeps nothing of. */
export async function findGiven(db: Kysely<Database>, leaves: readonly Leaf[]): Promise<ReadonlyMap<string, Showing>> {
  const taking = leaves.filter((leaf) => takenIn(leaf) !== undefined);
  const given = new Map<string, Showing>();
  if (taking.length === 0) return given;
  const of = (kind: IdKind) => {
    const subjects = taking.map(({ subject }) => subject).filter((id) => id.startsWith(`${ID_PREFIXES[kind]}_`));
    return [...new Set(subjects)];
  };
  const bySubject = new Map<string, Showing>();
  for (const id of of('appSecret')) bySubject.set(id, { kind: 'app-secret', id, part: null });
  for (const { id, key_id } of await placesOfCredentials(db, of('credential')))
    bySubject.set(id, { kind: 'key', id: key_id, part: id });
  // Of a version that was removed since, its last entry says whose it was.
  for (const [id, secret] of await lastSubjects(db, of('secretVersion')))
    bySubject.set(id, { kind: 'secret', id: secret, part: id });
  for (const { id, secret_id, version } of await placesOfVersions(db, of('secretVersion')))
    bySubject.set(id, { kind: 'secret', id: secret_id, part: String(version) });
  const delivered = new Map<string, number>();
  for (const secret of of('secret'))
    for (const [id, version] of await findDelivered(db, secret)) delivered.set(id, version);
  for (const leaf of taking) {
    const id = takenIn(leaf) as string;
    const version = delivered.get(id);
    const isOfSecret = leaf.subject.startsWith(`${ID_PREFIXES.secret}_`);
    const showing: Showing | undefined = isOfSecret
      ? { kind: 'secret', id: leaf.subject, part: version === undefined ? null : String(version) }
      : bySubject.get(leaf.subject);
    if (showing !== undefined) given.set(id, showing);
  }
  return given;
}
