import { PersonalParts } from '../audit/personal-parts.ts';
import { systemClock } from '../clock.ts';
import type { Config } from '../config.ts';
import { Scratch } from '../database/scratch.ts';
import type { Store } from '../database/store.ts';
import { decryptWith, encryptTo, newPair } from '../delivery/pair-cipher.ts';
import { Ledger } from '../ledger/ledger.ts';
import { EMPTY_TREE } from '../ledger/tree.ts';
import { systemRandom } from '../random.ts';
import { collectGarbage } from '../vault/collect-garbage.ts';
import { Keyring } from '../vault/keyring.ts';
import { KeyUses } from '../vault/key-uses.ts';
import { Turns } from '../vault/turns.ts';
import type { Vault } from '../vault/vault.ts';
import type { BackupHeader } from './backup-format.ts';
import { openEveryEnvelope } from './open-every-envelope.ts';
import { openEverySide } from './open-every-side.ts';
import { RestoreRefused } from './restore-backup.ts';
import { unsealRestored } from './unseal-restored.ts';

/**
 * Opens all that is encrypted in what was restored for a drill: a backup whose secrets do not open is none.
 * @param texts what opens its seal, where that is not a file
 * @throws RestoreRefused naming the first that does not open
 */
export async function openRestored(
  store: Store,
  header: BackupHeader,
  config: Config,
  texts: readonly string[],
): Promise<{ readonly envelopes: number; readonly sides: number }> {
  const scratch = new Scratch(store);
  const vault = vaultOver(store, scratch, header);
  await unsealRestored(vault, config, texts);
  const envelopes = await openEveryEnvelope(store, vault);
  if (envelopes.broken.length > 0)
    throw new RestoreRefused(`${envelopes.broken.length} envelopes do not open: ${envelopes.broken[0]}`, 'envelopes');
  // Nothing is encrypted here, so no key is made at the place.
  const place = { project_id: '', environment_id: '' };
  const personal = new PersonalParts({ vault, scratch, place, pair: { newPair, encryptTo, decryptWith } });
  const sides = await openEverySide(store, personal);
  if (sides.broken.length > 0)
    throw new RestoreRefused(`${sides.broken.length} do not open: ${sides.broken[0]}`, 'sides');
  return { envelopes: envelopes.opened, sides: sides.opened };
}

/** A vault that only reads: nothing is recorded in what was restored for a drill. */
function vaultOver(store: Store, scratch: Scratch, { installation, epoch, sequence, hash }: BackupHeader): Vault {
  const options = {
    store,
    clock: systemClock,
    newId: systemRandom.newId,
    newSalt: () => Buffer.from(systemRandom.bytes(32)).toString('hex'),
    committed: () => {},
    recovered: async () => {},
    tampered: () => {},
  };
  return {
    keyring: new Keyring(collectGarbage),
    sealTurns: new Turns(),
    uses: new KeyUses(scratch),
    ledger: new Ledger(options, { installation, epoch, sequence, hash, tree: EMPTY_TREE }),
    reader: store.reader,
    clock: systemClock,
    random: systemRandom,
    broken: () => {},
    takenTwice: () => {},
    tampered: () => {},
  };
}
