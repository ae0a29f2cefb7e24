import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { describe, it } from 'node:test';
import { isMalformed } from './dialect.ts';
import { hmac } from './hmac.ts';
import { hmacSettingsFault } from './hmac-template.ts';
import type { HmacSettings } from './settings.ts';
import { flatten, isSignedWith, keyFor } from './testing/keys.ts';
import { testRefusals } from './testing/refusals.ts';
import { claimOf, NOW_MS, outgoing, received, signed } from './testing/requests.ts';

const LINE = { text: '\n' };
const SETTINGS: HmacSettings = {
  dialect: 'hmac',
  credentialHeader: 'X-Key',
  signatureHeader: 'X-Signature',
  timestampHeader: 'X-Time',
  nonceHeader: 'X-Nonce',
  signaturePrefix: 'v1=',
  signed: ['timestamp', LINE, 'nonce', LINE, 'method', LINE, 'target', LINE, 'body-sha256-hex'],
  hash: 'sha256',
  secretEncoding: 'utf8',
  signatureEncoding: 'hex',
  timestampUnit: 's',
  windowSeconds: 30,
};
const { nonceHeader: _, ...WITHOUT_NONCE } = SETTINGS;

function fault(signed: HmacSettings['signed'], more: Partial<HmacSettings> = {}): string | null {
  const settings = signed.includes('nonce') ? SETTINGS : WITHOUT_NONCE;
  return hmacSettingsFault({ ...settings, signed, ...more });
}

describe('hmac', () => {
  it('accepts a request that was signed by hand', () => {
    const secret = 'a secret that is long enough for it';
    const digest = 'b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9'; // of "hello world"
    const text = `1785000000\nabc\nPOST\n/v1/a?b=%2F\n${digest}`;
    const signature = createHmac('sha256', secret).update(text).digest('hex');
    const headers = { 'x-key': 'cred', 'x-time': '1785000000', 'x-nonce': 'abc', 'x-signature': `v1=${signature}` };
    const claim = claimOf(hmac, SETTINGS, received('POST', '/v1/a?b=%2F', headers, 'hello world'));
    assert.equal(flatten(claim.base).toString(), text);
    assert.ok(isSignedWith({ secret }, claim));
    assert.deepEqual(claim.nonce, { kind: 'once', value: 'abc' });
    const signedAt = 1_785_000_000_000;
    assert.deepEqual(claim.freshness, {
      signedAt,
      after: signedAt - 1000,
      until: signedAt + 30_000,
      longest: signedAt + 600_000,
    });
  });

  it('verifies what it prepares, in every form that the settings have', async () => {
    const templates: HmacSettings['signed'][] = [
      ['credential', 'timestamp', 'method', 'path', { text: '?' }, 'query', 'body'],
      ['timestamp', 'method', 'target', 'body'],
      ['method', 'timestamp', 'target', LINE, 'body', 'body-sha256-hex'].filter(
        (part) => part !== 'body-sha256-hex',
      ) as [],
      ['method', LINE, 'path', LINE, 'query', LINE, 'body-sha256-hex', 'timestamp', 'credential'],
    ];
    let count = 0;
    for (const signedParts of templates)
      for (const hash of ['sha256', 'sha512'] as const)
        for (const secretEncoding of ['utf8', 'base64'] as const)
          for (const signatureEncoding of ['hex', 'base64', 'base64url'] as const)
            for (const timestampUnit of ['s', 'ms', 'rfc3339'] as const) {
              const form = { hash, secretEncoding, signatureEncoding, timestampUnit, signed: signedParts };
              const settings = { ...WITHOUT_NONCE, ...form };
              const algorithm = `hmac-${hash}` as const;
              for (const draft of [
                outgoing('get', 'https://x.test/a?b=%2F'),
                outgoing('POST', 'https://x.test', '{"a":1}'),
              ]) {
                const claim = claimOf(hmac, settings, await signed(hmac, settings, draft, { algorithm }));
                assert.ok(isSignedWith(keyFor(algorithm), claim));
                assert.equal(
                  claim.freshness?.signedAt,
                  timestampUnit === 's' ? Math.floor(NOW_MS / 1000) * 1000 : NOW_MS,
                );
                count++;
              }
            }
    assert.equal(count, 288);
  });

  it('takes no settings with which two requests could have one text', () => {
    assert.equal(hmacSettingsFault(SETTINGS), null);
    for (const good of [
      ['timestamp', 'method', 'target', 'body'],
      ['method', 'timestamp', 'target'],
      ['timestamp', 'method', 'path', { text: '?' }, 'query', 'body'],
      ['timestamp', 'method', 'path', { text: '' }, 'body'],
      ['nonce', { text: ' ' }, 'timestamp', 'method', 'target'],
      ['method', 'target', 'body', 'timestamp', 'credential'],
    ] as HmacSettings['signed'][]) {
      assert.equal(fault(good), null, JSON.stringify(good));
    }
    for (const bad of [
      ['method', 'target', 'body'],
      ['timestamp', 'target', 'body'],
      ['timestamp', 'method', 'query', 'body'],
      ['timestamp', 'method', 'path', 'query'],
      ['timestamp', 'method', 'path', { text: '|' }, 'query'],
      ['timestamp', 'method', 'path', { text: '' }, 'query'],
      ['timestamp', 'body', 'method', 'target'],
      ['path', 'method', 'timestamp', 'body'],
      ['timestamp', 'nonce', 'method', 'target'],
      ['timestamp', 'method', { text: 'A' }, 'target'],
      ['timestamp', 'method', 'credential', 'target', 'timestamp'],
      ['timestamp', 'method', 'target', 'body', 'body-sha256-hex'],
      ['timestamp', 'method', 'target', 'body', 'body'],
    ] as HmacSettings['signed'][]) {
      assert.notEqual(fault(bad), null, JSON.stringify(bad));
    }
    assert.notEqual(fault(['timestamp', 'method', 'target'], { nonceHeader: 'X-Nonce' }), null);
    assert.notEqual(fault(['timestamp', 'method', 'target'], { timestampHeader: 'x-KEY' }), null);
    const unsafe = { ...WITHOUT_NONCE, signed: ['timestamp', 'method', 'body'] } as HmacSettings;
    assert.ok(isMalformed(hmac.read(received('GET', '/', { 'x-signature': '' }), unsafe)));
  });

  it('refuses a query or a body that the template does not sign, and a body that could have been the query', () => {
    const read = (parts: HmacSettings['signed'], target: string, body: string | null) => {
      const headers = { 'x-key': 'cred', 'x-time': '1785000000', 'x-signature': `v1=${'0'.repeat(64)}` };
      const claim = hmac.read(received('POST', target, headers, body), { ...WITHOUT_NONCE, signed: parts });
      return !isMalformed(claim);
    };
    assert.ok(read(['timestamp', 'method', 'path'], '/a', ''));
    assert.ok(!read(['timestamp', 'method', 'path'], '/a?b', ''));
    assert.ok(!read(['timestamp', 'method', 'path'], '/a?', ''));
    assert.ok(!read(['timestamp', 'method', 'path'], '/a', '{}'));
    assert.ok(!read(['timestamp', 'method', 'path'], '/a', null));
    assert.ok(read(['timestamp', 'method', 'target', 'body'], '/a?b=1', '{}'));
    assert.ok(!read(['timestamp', 'method', 'target', 'body'], '/a?b=', '1'));
    assert.ok(!read(['timestamp', 'method', 'target', { text: '' }, 'body'], '/a?b=', '1'));
    assert.ok(read(['timestamp', 'method', 'target', LINE, 'body'], '/a?b=', '1'));
    assert.ok(!read(['timestamp', 'method', 'path', LINE, 'query'], '/a?', ''));
  });

  it('refuses times, nonces and signatures of other forms', () => {
    const good = { 'x-key': 'cred', 'x-time': '1785000000', 'x-nonce': 'abc', 'x-signature': `v1=${'0'.repeat(64)}` };
    const read = (more: object) => !isMalformed(hmac.read(received('GET', '/', { ...good, ...more }), SETTINGS));
    assert.ok(read({}));
    assert.ok(read({ 'x-signature': `v1=${'Ab'.repeat(32)}` }));
    for (const time of ['', '178500000', '17850000001', '0785000000', '1785000.00', '+785000000']) {
      assert.ok(!read({ 'x-time': time }), time);
    }
    for (const nonce of ['', 'a b', 'a\nb', 'ü', 'a'.repeat(129)]) assert.ok(!read({ 'x-nonce': nonce }), nonce);
    for (const text of ['', '0'.repeat(64), `V1=${'0'.repeat(64)}`, `v1=${'0'.repeat(62)}`, `v1=${'g'.repeat(64)}`]) {
      assert.ok(!read({ 'x-signature': text }), text);
    }
    for (const name of ['X-KEY', 'X-Time', 'x-NONCE', 'X-Signature']) {
      const value = good[name.toLowerCase() as keyof typeof good];
      assert.ok(!read({ [name]: value }), `${name} twice`);
    }
  });

  it('says how long to wait where that helps', () => {
    const { status, body } = hmac.refuse('RATE_LIMITED', SETTINGS, 7);
    assert.equal(status, 429);
    assert.equal((JSON.parse(body) as { retryAfterSeconds: number }).retryAfterSeconds, 7);
  });

  testRefusals(hmac, SETTINGS);
});
