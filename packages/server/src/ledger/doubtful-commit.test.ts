import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { systemClock } from '../clock.ts';
import { openPostgres } from '../database/store.ts';
import { systemRandom } from '../random.ts';
import { createPlace } from '../testing/databases.ts';
import { POSTGRES_URL } from '../testing/postgres.ts';
import { openRaw } from '../testing/raw-database.ts';
import { startRelay } from '../testing/relay.ts';
import type { Facts } from './facts.ts';
import { Ledger, takeEpoch } from './ledger.ts';

const [COMMIT_SECONDS, CUT_AFTER_MS] = [1.5, 400];

if (POSTGRES_URL !== undefined) {
  describe('a COMMIT whose connection breaks while the server is still at it', () => {
    it('is waited for: whoever follows the ledger hears of what it committed before the next change is acknowledged', async () => {
      await using place = await createPlace('postgres');
      const url = new URL(place.databaseUrl as string);
      await using relay = await startRelay(`http://${url.host}`);
      url.port = new URL(relay.url).port;
      await using store = await openPostgres(url.href);
      const { head } = await takeEpoch(store, systemRandom.newId);
      const told: number[] = [];
      const ledger: Ledger = new Ledger(
        {
          store,
          clock: systemClock,
          newId: systemRandom.newId,
          newSalt: () => Buffer.from(systemRandom.bytes(32)).toString('hex'),
          committed: (group) => told.push(group.head.sequence),
          // As the feed does: it reads what is there.
          recovered: async () => {
            const { last } = await store.reader
              .selectFrom('entries')
              .select(({ fn }) => fn.max('sequence').as('last'))
              .executeTakeFirstOrThrow();
            told.push(Number(last));
          },
          tampered: () => {},
        },
        head,
      );
      const make = (slug: string) =>
        ledger.record({ actor: 'system', action: 'project.created', subject: `proj_${slug}` }, (facts: Facts) =>
          facts.insert('projects', { id: `proj_${slug}`, slug, name: slug, created_at: 0 }),
        );
      await make('first');
      await using raw = await openRaw(place);
      await raw.run(`create function slow() returns trigger language plpgsql as
        $$ begin if new.subject = 'proj_slow' then perform pg_sleep(${COMMIT_SECONDS}); end if; return null; end $$`);
      await raw.run(`create constraint trigger slow after insert on entries
        deferrable initially deferred for each row execute function slow()`);
      await raw.run('alter table entries enable always trigger slow');

      const slow = make('slow');
      await pause(CUT_AFTER_MS);
      relay.cut();
      relay.mend();
      await assert.rejects(slow, { name: 'StoreUnavailable' });
      await make('next');
      const entries = await raw.rows('select sequence, subject from entries order by sequence');
      assert.deepEqual(
        entries.map(({ subject }) => subject),
        ['proj_first', 'proj_slow', 'proj_next'],
      );
      assert.deepEqual(told, [1, 2, 3]);
    });
  });
}
