import type { Kysely } from 'kysely';
import type { Clock } from '../clock.ts';
import type { Database } from '../database/schema.ts';
import type { Log } from '../http/log.ts';
import { readHead } from '../ledger/head.ts';
import { logKeysOf } from './open-log-keys.ts';
import { rootOfEntries } from './root-of-entries.ts';
import { compareSeen, type OwnTree } from './seen-elsewhere.ts';
import { WitnessClient } from './witness-client.ts';
import type { AskedWitness, WitnessPolicy } from './witness-policy.ts';

/** Name of an installation's log. */
export function originOf(installation: string): string {
  return `keyhold/${installation}`;
}

/**
 * Asks each witness, at the start, for the newest checkpoint that it cosigned of this log. Those that don't answer keep
 * nobody from starting, and are named loudly.
 * @returns why this database was rolled back or is a fork; null where no witness shows that
 */
export async function askWitnesses(
  reader: Kysely<Database>,
  clock: Clock,
  { asked, logs }: WitnessPolicy,
  log: Log,
): Promise<string | null> {
  const head = await readHead(reader);
  // Nothing is alive in an empty one; it becomes another installation, with another log.
  if (head === undefined) return null;
  const origin = originOf(head.installation);
  const own: OwnTree = {
    origin,
    keys: await logKeysOf(reader, origin, logs),
    size: head.sequence,
    rootAt: (size) => rootOfEntries(reader, size),
  };
  const client = new WitnessClient(clock);
  const answers = await Promise.all(asked.map((witness) => ask(client, witness, own, log)));
  return answers.find((why) => why !== null) ?? null;
}

async function ask(client: WitnessClient, witness: AskedWitness, own: OwnTree, log: Log): Promise<string | null> {
  const name = witness.named.map((one) => one.name).join(', ');
  const shown = await client.newest(witness.url, own.origin);
  if ('failed' in shown) {
    log.warn({ witness: name, reason: shown.failed }, 'NOT ASKED: a witness does not say whether this is a rollback');
    return null;
  }
  if (shown.note === null) {
    log.info({ witness: name }, 'the witness has cosigned nothing of this log yet');
    return null;
  }
  const keys = witness.named.map(({ key }) => key);
  const seen = await compareSeen(shown.note, keys, own);
  if (seen.is === 'unfounded') log.error({ witness: name }, 'a witness shows a checkpoint that this log did not sign');
  return seen.is === 'contradicted' ? `the witness ${name} shows it: ${seen.why}` : null;
}
