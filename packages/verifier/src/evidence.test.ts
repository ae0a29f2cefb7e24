import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { it } from 'node:test';
import { MAX_EVIDENCE_BYTES } from '@keyhold/protocol/verification-messages';
import { evidenceOf } from './evidence.ts';
import type { SignedRequest } from './last-step.ts';

it('has what was signed whole up to its bound, and by its digest beyond it, the signature always', () => {
  const evidence = (...base: readonly (string | Uint8Array)[]) =>
    evidenceOf({
      claim: { base, signature: Buffer.from('signature') },
      dialect: 'rfc9421',
    } as unknown as SignedRequest);
  const common = { dialect: 'rfc9421', signature: Buffer.from('signature').toString('base64') };
  const longest = Buffer.alloc(MAX_EVIDENCE_BYTES - 1, 'a');
  const whole = Buffer.concat([Buffer.from('b'), longest]);
  assert.deepEqual(evidence('b', longest), { ...common, base: whole.toString('base64') });
  const longer = Buffer.concat([Buffer.from('bb'), longest]);
  assert.deepEqual(evidence('bb', longest), { ...common, baseDigest: hash('sha256', longer, 'hex') });
});
