import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { format, inspect } from 'node:util';
import { canonicalJson, type Json } from '@keyhold/protocol/canonical-json';
import { keyFrom } from '@keyhold/verifier/open-envelope';
import { expose } from './expose.ts';
import { Secret } from './secret.ts';
import { SecretBytes } from './secret-bytes.ts';
import { readShare, writeShare } from './share.ts';

function textsOf(secret: object): string[] {
  return [
    `${secret}`,
    String(secret),
    `${[secret]}`,
    JSON.stringify({ secret, deep: [{ secret }] }),
    inspect(secret, { showHidden: true, depth: null }),
    inspect({ secret }, { customInspect: false, showHidden: true }),
    format('%s %o %O %j', secret, secret, secret, secret),
    canonicalJson({ ...secret } as unknown as Json),
    JSON.stringify(Object.getOwnPropertyNames(secret)),
    JSON.stringify(structuredClone({ ...secret })),
  ];
}

describe('a secret', () => {
  it('is in no text that is made of it', () => {
    const value = randomUUID();
    for (const text of textsOf(new Secret(value))) assert.equal(text.includes(value), false, text);
  });

  it('comes out for who may expose it, and nothing else does', () => {
    const value = randomUUID();
    assert.equal(expose(new Secret(value)), value);
    assert.throws(() => expose({ value } as unknown as Secret), TypeError);
    assert.throws(() => expose(Object.create(Secret.prototype) as Secret), TypeError);
  });
});

describe('the bytes of a key or share', () => {
  const bytes = randomBytes(33);
  const hex = bytes.toString('hex');
  /** As texts, prints and JSON have them, whatever stands between two bytes. */
  const forms = [hex, hex.match(/../g)?.join(' '), bytes.join(' '), [...bytes.entries()].flat().join(' ')];
  const assertSilent = (holder: object) => {
    for (const text of textsOf(holder)) {
      const plain = text.replaceAll(/[^0-9a-z]+/gi, ' ');
      for (const form of forms) assert.equal(plain.includes(String(form).slice(0, 40)), false, text);
      assert.equal(text.includes(bytes.toString('base64')), false, text);
    }
  };

  it('are in no text that is made of what holds them', () => {
    const holder = new SecretBytes(Buffer.from(bytes));
    assertSilent(holder);
    const share = readShare(writeShare({ set: '0123456789abcdef', number: 1, bytes: holder }));
    assert.ok(share);
    assert.ok(share.bytes.read().equals(bytes));
    for (const { bytes: own } of [share, { ...share }]) assertSilent(own);
    assert.match(JSON.stringify(share), /"bytes":"\[secret\]"/);
    assertSilent({ id: 'a', version: 1, key: keyFrom(Buffer.from(bytes)) });
  });

  it('are gone once they are wiped', () => {
    const held = Buffer.from(bytes);
    new SecretBytes(held).wipe();
    assert.deepEqual(held, Buffer.alloc(held.length));
  });
});
