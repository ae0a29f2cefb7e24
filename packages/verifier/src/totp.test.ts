import assert from 'node:assert/strict';
import { createSecretKey } from 'node:crypto';
import { it } from 'node:test';
import { TOTP_STEP_MS, toBase32, totpUri } from '@keyhold/protocol/totp';
import { codeOf, stepOf } from './totp.ts';

/** RFC 6238 Appendix B: seconds since the epoch, and the codes of eight digits; SHA-512 is none of ours. */
const VECTORS: readonly (readonly [seconds: number, sha1: string, sha256: string])[] = [
  [59, '94287082', '46119246'],
  [1_111_111_109, '07081804', '68084774'],
  [1_111_111_111, '14050471', '67062674'],
  [1_234_567_890, '89005924', '91819424'],
  [2_000_000_000, '69279037', '90698825'],
  [20_000_000_000, '65353130', '77737706'],
];
const SEED = '12345678901234567890';
const SHA1 = createSecretKey(Buffer.from(SEED));
const SHA256 = createSecretKey(Buffer.from(`${SEED}123456789012`));

it('makes the codes of RFC 6238 Appendix B', (t) => {
  for (const [seconds, sha1, sha256] of VECTORS) {
    const step = Math.floor((seconds * 1000) / TOTP_STEP_MS);
    assert.equal(codeOf(SHA1, 'sha1', step, 8), sha1);
    assert.equal(codeOf(SHA256, 'sha256', step, 8), sha256);
    assert.equal(codeOf(SHA1, 'sha1', step), sha1.slice(2), 'the last six of the eight');
  }
  t.diagnostic(`${VECTORS.length * 2} vectors`);
});

it('makes the codes of RFC 4226 Appendix D', (t) => {
  const codes = '755224 287082 359152 969429 338314 254676 287922 162583 399871 520489'.split(' ');
  for (const [count, code] of codes.entries()) assert.equal(codeOf(SHA1, 'sha1', count), code);
  t.diagnostic(`${codes.length} vectors`);
});

it('takes a code from a step before its own until a step after, and no other text', () => {
  const step = 41_152_263;
  const code = codeOf(SHA1, 'sha1', step);
  const start = step * TOTP_STEP_MS;
  const at = (offsetMs: number, text = code) => stepOf(SHA1, 'sha1', text, start + offsetMs);
  for (const offset of [-TOTP_STEP_MS, 0, TOTP_STEP_MS, 2 * TOTP_STEP_MS - 1]) assert.equal(at(offset), step);
  for (const offset of [-TOTP_STEP_MS - 1, 2 * TOTP_STEP_MS]) assert.equal(at(offset), null);
  for (const text of ['', code.slice(1), `${code}0`, ` ${code}`, '١٢٣٤٥٦', `${code}\n`, '-12345'])
    assert.equal(at(0, text), null, JSON.stringify(text));
});

it('writes a secret and its URI as apps read them (RFC 4648 §10)', () => {
  const vectors = {
    '': '',
    f: 'MY',
    fo: 'MZXQ',
    foo: 'MZXW6',
    foob: 'MZXW6YQ',
    fooba: 'MZXW6YTB',
    foobar: 'MZXW6YTBOI',
  };
  for (const [text, base32] of Object.entries(vectors)) assert.equal(toBase32(Buffer.from(text)), base32);
  const uri = totpUri({ issuer: 'Acme: Exchange', account: 'bot & co', secret: 'MZXW6YTBOI', algorithm: 'sha1' });
  assert.equal(
    uri,
    'otpauth://totp/Acme%20%20Exchange:bot%20%26%20co?secret=MZXW6YTBOI&issuer=Acme%20%20Exchange&algorithm=SHA1&digits=6&period=30',
  );
});
