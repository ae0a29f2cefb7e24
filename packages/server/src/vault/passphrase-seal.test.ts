import assert from 'node:assert/strict';
import { argon2Sync, randomBytes, randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { isRefusal } from '@keyhold/protocol/errors';
import { keyFrom, KEY_BYTES } from '@keyhold/verifier/open-envelope';
import type { SealRow } from '../database/schema.ts';
import { createPlace } from '../testing/databases.ts';
import { openOwnVault } from '../testing/own-vault.ts';
import { openRaw } from '../testing/raw-database.ts';
import { WrittenPast } from '../testing/written-past.ts';
import { parametersOf, unwrapRootKey, wrapRootKey } from './root-key.ts';
import type { PassphraseParameters } from './seal.ts';

const CALLER = { actor: 'tok_test' };
/** RFC 9106 §4, second recommended option, as it is stored. */
const RECOMMENDED = { kind: 'passphrase', memoryKiB: 65_536, passes: 3, parallelism: 4 };

/** As anybody would derive it who has the row and the standard. */
function argon2id({ memoryKiB, passes, parallelism, salt }: PassphraseParameters, passphrase: string): Buffer {
  const [message, nonce] = [Buffer.from(passphrase), Buffer.from(salt, 'hex')];
  return argon2Sync('argon2id', { message, nonce, parallelism, passes, memory: memoryKiB, tagLength: KEY_BYTES });
}

describe('a passphrase', () => {
  it('makes the key of its seal by argon2id, with the parameters that are stored with it', async () => {
    await using place = await createPlace('sqlite');
    await using own = await openOwnVault(place);
    const passphrase = randomUUID();
    assert.ok(!isRefusal(await own.gate.change(CALLER, { kind: 'passphrase', passphrase })));
    const seal = await own.store.reader.selectFrom('seals').selectAll().executeTakeFirstOrThrow();
    const stored = parametersOf(seal) as PassphraseParameters;
    const { salt, ...cost } = stored;
    assert.deepEqual(cost, RECOMMENDED);
    assert.match(salt, /^[0-9a-f]{32}$/);
    const { installation } = own.vault.ledger.head;
    const { root } = unwrapRootKey(installation, seal, argon2id(stored, passphrase));

    const cheap = { ...stored, memoryKiB: 64, passes: 1, parallelism: 1, salt: randomBytes(16).toString('hex') };
    const sealKey = keyFrom(argon2id(cheap, passphrase));
    const rootKey = wrapRootKey(
      installation,
      { id: seal.id, rootVersion: seal.root_version },
      sealKey,
      root.key.export(),
    );
    assert.ok(!isRefusal(await own.gate.close(CALLER)));
    await using raw = await openRaw(place);
    const past = new WrittenPast(raw);
    await past.edit('seals', seal.id, {
      root_key: rootKey,
      parameters: JSON.stringify(cheap),
    } satisfies Partial<SealRow>);
    await past.mend('seals', seal.id);
    const opened = await own.gate.unseal(CALLER, { passphrase });
    assert.ok(!isRefusal(opened), JSON.stringify(opened));
    assert.equal(opened.sealed, false);
  });
});
