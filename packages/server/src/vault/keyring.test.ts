import { keyFrom } from '@keyhold/verifier/open-envelope';
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { collectGarbage } from './collect-garbage.ts';
import { Keyring, type Unsealed } from './keyring.ts';
import { newKeyBytes } from './wrapped-key.ts';

function unsealed(version: number): Unsealed {
  const root = { id: 'root-key', version, key: keyFrom(newKeyBytes()) };
  return { root, previousRoot: null, sealKey: keyFrom(newKeyBytes()) };
}

it('what was on its way when the keyring was sealed, or opened anew, puts nothing into it', async () => {
  const keyring = new Keyring(collectGarbage);
  const [first, second] = [unsealed(1), unsealed(2)];
  keyring.unseal(first);
  keyring.replace(first, second);
  assert.equal(keyring.unsealed, second);
  keyring.replace(first, unsealed(3));
  assert.equal(keyring.unsealed, second);
  await keyring.seal();
  keyring.replace(second, unsealed(3));
  assert.ok(keyring.sealed);
});
