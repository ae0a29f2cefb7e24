import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { describe, it } from 'node:test';
import { readCheckpoint, writeCheckpoint } from '@keyhold/protocol/log/checkpoint';
import { signersOf } from '@keyhold/protocol/log/signed-message';
import {
  noteKey,
  readNote,
  readVerifierKey,
  SIGNATURE_TYPES,
  writeNote,
  writeVerifierKey,
} from '@keyhold/protocol/log/signed-note';
import { partsOf, sha256, signCheckpoint, signingKey, verifySignature } from './note-crypto.ts';

/** The example of c2sp.org/signed-note. */
const VKEY = 'example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k';
const NOTE = `This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
`;

describe('signed notes', () => {
  it('reads the example of the specification, and its signature is the key’s', () => {
    const key = readVerifierKey(sha256, VKEY);
    const note = readNote(NOTE);
    assert.ok(key && note);
    assert.equal(writeNote(note), NOTE);
    assert.equal(writeVerifierKey(key), VKEY);
    const [signature] = note.signatures;
    assert.ok(signature);
    assert.equal(signature.keyId, key.keyId);
    assert.ok(verifySignature(key, Buffer.from(note.text), signature.bytes));
    assert.ok(!verifySignature(key, Buffer.from(`${note.text}\n`), signature.bytes));
  });

  it('refuses a key that names an id which is not its own, an unknown type and another length', () => {
    for (const wrong of [VKEY.replace('530d903a', '530d903b'), VKEY.replace('+A', '+B'), VKEY.slice(0, -4)]) {
      assert.equal(readVerifierKey(sha256, wrong), null, wrong);
    }
  });

  for (const [name, type] of Object.entries(SIGNATURE_TYPES)) {
    it(`signs a checkpoint as ${name}, and every changed byte is noticed`, () => {
      const algorithm = type === SIGNATURE_TYPES.mlDsa44 ? 'ml-dsa-44' : 'ed25519';
      const { seed, publicKey } = partsOf(generateKeyPairSync(algorithm as 'ed25519').privateKey);
      const key = noteKey(sha256, 'log.test/1', type, publicKey);
      const checkpoint = { origin: 'log.test/1', size: 3, root: sha256(Buffer.from('root')) };
      const signature = signCheckpoint(key, signingKey(algorithm, seed, publicKey), checkpoint, 1_700_000_000);
      const note = { text: writeCheckpoint(checkpoint), signatures: [signature] };
      assert.deepEqual(readNote(writeNote(note)), note);
      const time = type === SIGNATURE_TYPES.ed25519 ? null : 1_700_000_000;
      assert.deepEqual([...(signersOf(verifySignature, [key], note, checkpoint) ?? [])], [[key, time]]);
      for (let i = 0; i < signature.bytes.length; i += type === SIGNATURE_TYPES.mlDsa44 ? 97 : 1) {
        const bytes = signature.bytes.with(i, (signature.bytes[i] as number) ^ 1);
        const broken = { ...note, signatures: [{ ...signature, bytes }] };
        assert.equal(signersOf(verifySignature, [key], broken, checkpoint), null, `byte ${i}`);
      }
      assert.equal(signersOf(verifySignature, [key], note, { ...checkpoint, size: 4 }), null);
      assert.equal(signersOf(verifySignature, [], note, checkpoint)?.size, 0);
    });
  }

  it('reads checkpoints in their one form only', () => {
    const root = Buffer.alloc(32).toString('base64');
    assert.deepEqual(readCheckpoint(`a\n7\n${root}\n`), { origin: 'a', size: 7, root: new Uint8Array(32) });
    for (const wrong of [
      `a\n07\n${root}\n`,
      `a\n7\n${root}\nmore\n`,
      `a\n7\n${root}`,
      `\n7\n${root}\n`,
      `a\n7\nAAAA\n`,
    ]) {
      assert.equal(readCheckpoint(wrong), null, JSON.stringify(wrong));
    }
  });
});
