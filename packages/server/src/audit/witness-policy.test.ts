import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, it } from 'node:test';
import { partsOf } from '@keyhold/auditor/note-crypto';
import { noteKey, SIGNATURE_TYPES, writeVerifierKey } from '@keyhold/protocol/log/signed-note';
import { sha256 } from '../ledger/tree.ts';
import { openWitnessPolicy } from './witness-policy.ts';

const folder = mkdtempSync(join(tmpdir(), 'keyhold-policy-'));
after(() => rmSync(folder, { recursive: true }));

const vkey = (name: string) =>
  writeVerifierKey(
    noteKey(
      sha256,
      name,
      SIGNATURE_TYPES.ed25519Cosignature,
      partsOf(generateKeyPairSync('ed25519').privateKey).publicKey,
    ),
  );

function open(text: string) {
  const path = join(folder, 'policy');
  writeFileSync(path, text);
  return openWitnessPolicy(path);
}

it('asks each address once, whatever keys it has there, and knows when enough have cosigned', () => {
  const at = 'https://w.test/prefix/';
  const policy = open(
    `witness a ${vkey('a')} ${at}\nwitness a2 ${vkey('a')} https://w.test/prefix\n` +
      `witness b ${vkey('b')} http://127.0.0.1:7074\ngroup both all a b\nquorum both\n`,
  );
  assert.deepEqual(
    policy?.asked.map(({ url, named }) => [url, named.map(({ name }) => name)]),
    [
      ['https://w.test/prefix', ['a', 'a2']],
      ['http://127.0.0.1:7074', ['b']],
    ],
  );
  const keys = policy?.asked.flatMap(({ named }) => named.map(({ key }) => key)) ?? [];
  assert.ok(policy?.isQuorum(new Set(keys)) && !policy.isQuorum(new Set(keys.slice(0, 2))));
  assert.equal(openWitnessPolicy(undefined), null);
});

it('says what is wrong with a policy, and which file it is', () => {
  const broken: Readonly<Record<string, RegExp>> = {
    '': /KEYHOLD_WITNESS_POLICY .*policy: there is no quorum line/,
    [`witness a ${vkey('a')}\nquorum a\n`]: /the witness a has no http or https address/,
    [`witness a ${vkey('a')} ftp://w.test\nquorum a\n`]: /the witness a has no http or https address/,
    [`witness a nonsense http://w.test\nquorum a\n`]: /line 1: "nonsense" is no verifier key/,
  };
  for (const [text, words] of Object.entries(broken))
    assert.throws(() => open(text), { name: 'ConfigError', message: words });
  assert.throws(() => openWitnessPolicy(join(folder, 'missing')), { name: 'ConfigError', message: /ENOENT/ });
});
