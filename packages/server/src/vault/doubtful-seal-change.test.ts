import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { isRefusal } from '@keyhold/protocol/errors';
import { createPlace } from '../testing/databases.ts';
import { openOwnVault } from '../testing/own-vault.ts';
import { POSTGRES_URL } from '../testing/postgres.ts';
import { openRaw } from '../testing/raw-database.ts';
import { startRelay } from '../testing/relay.ts';
import { collectGarbage } from './collect-garbage.ts';
import { Keyring } from './keyring.ts';
import { openVault } from './open-vault.ts';

const CALLER = { actor: 'tok_test' };
const [COMMIT_SECONDS, CUT_AFTER_MS] = [1.5, 400];

if (POSTGRES_URL !== undefined) {
  describe('a change of the key file whose COMMIT is still under way', () => {
    it('is waited for by the next one, which writes over no key that may count', async () => {
      await using place = await createPlace('postgres');
      const url = new URL(place.databaseUrl as string);
      await using relay = await startRelay(`http://${url.host}`);
      url.port = new URL(relay.url).port;
      await using own = await openOwnVault({ ...place, databaseUrl: url.href });
      await using raw = await openRaw(place);
      await raw.run(`create function slow() returns trigger language plpgsql as
        $$ begin if new.action = 'seal.changed' then perform pg_sleep(${COMMIT_SECONDS}); end if; return null; end $$`);
      await raw.run(`create constraint trigger slow after insert on entries
        deferrable initially deferred for each row execute function slow()`);
      await raw.run('alter table entries enable always trigger slow');
      const first = own.gate.change(CALLER, { kind: 'file' });
      await pause(CUT_AFTER_MS);
      relay.cut();
      relay.mend();
      await assert.rejects(first, { name: 'StoreUnavailable' });
      assert.ok(!isRefusal(await own.gate.change(CALLER, { kind: 'file' })));
      const restarted = { ...own.vault, keyring: new Keyring(collectGarbage) };
      assert.equal(await openVault(restarted, own.keyFile), 'unsealed');
    });
  });
}
