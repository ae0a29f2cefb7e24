import { join } from 'node:path';
import { systemClock } from '../clock.ts';
import { Scratch } from '../database/scratch.ts';
import { openPostgres, openSqlite, type Store } from '../database/store.ts';
import { CommitDoubtful, StoreUnavailable } from '../database/store-fault.ts';
import { Ledger, takeEpoch } from '../ledger/ledger.ts';
import { ensureDefaultPlace } from '../projects/ensure-default-place.ts';
import { systemRandom } from '../random.ts';
import { Hsm, type HsmSettings } from '../vault/hsm.ts';
import { KeyUses } from '../vault/key-uses.ts';
import { collectGarbage } from '../vault/collect-garbage.ts';
import { Keyring } from '../vault/keyring.ts';
import { openVault } from '../vault/open-vault.ts';
import { SealGate } from '../vault/seal-gate.ts';
import { Turns } from '../vault/turns.ts';
import type { InEnvironment, Vault } from '../vault/vault.ts';
import type { TestPlace } from './databases.ts';

export interface OwnVault extends AsyncDisposable {
  readonly vault: Vault;
  readonly gate: SealGate;
  readonly store: Store;
  readonly keyFile: string;
  /** `default/production`. */
  readonly place: InEnvironment;
  /** The next change commits, and nobody is told. */
  loseNextAnswer(): void;
  /** The next change is not written, nor is its entry. */
  failNextChange(): void;
  /** What `taken twice` was raised for. */
  readonly alarms: readonly string[];
}

/** A vault over a real database without anything around it, whose commits can go without an answer. */
export async function openOwnVault(
  { folder, databaseUrl }: TestPlace,
  hsm: Partial<HsmSettings> = {},
): Promise<OwnVault> {
  const store = await (databaseUrl === undefined ? openSqlite(join(folder, 'keyhold.db')) : openPostgres(databaseUrl));
  const { newId, bytes } = systemRandom;
  const { head } = await takeEpoch(store, newId);
  let loses = false;
  let fails = false;
  class Forgetful extends Ledger {
    override record: Ledger['record'] = async (draft, change) => {
      if (fails) {
        fails = false;
        throw new StoreUnavailable('the change was not written');
      }
      const recorded = await Ledger.prototype.record.call(this, draft, change as never);
      if (!loses) return recorded as never;
      loses = false;
      throw new CommitDoubtful('the answer was lost');
    };
  }
  const options = {
    store,
    clock: systemClock,
    newId,
    newSalt: () => Buffer.from(bytes(32)).toString('hex'),
    committed: () => {},
    recovered: async () => {},
    tampered: () => {},
  };
  const ledger = new Forgetful(options, head);
  const alarms: string[] = [];
  const own = { ledger, reader: store.reader, clock: systemClock, random: systemRandom };
  const vault: Vault = {
    ...own,
    keyring: new Keyring(collectGarbage),
    sealTurns: new Turns(),
    uses: new KeyUses(new Scratch(store)),
    broken: ({ id }) => alarms.push(id),
    takenTwice: (id) => alarms.push(id),
    tampered: (id) => alarms.push(id),
  };
  const keyFile = join(folder, 'root.key');
  await openVault(vault, keyFile);
  await ensureDefaultPlace(own);
  const { id, project_id } = await store.reader.selectFrom('environments').selectAll().executeTakeFirstOrThrow();
  return {
    vault,
    gate: new SealGate(
      vault,
      { keyFile, hsm: new Hsm({ clock: systemClock, environment: {}, ...hsm }) },
      () => {},
      () => {},
    ),
    store,
    keyFile,
    place: { project_id, environment_id: id },
    loseNextAnswer: () => void (loses = true),
    failNextChange: () => void (fails = true),
    alarms,
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
}
