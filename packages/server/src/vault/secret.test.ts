import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { describe, it } from 'node:test';
import { format, inspect } from 'node:util';
import { canonicalJson, type Json } from '@keyhold/protocol/canonical-json';
import { expose } from './expose.ts';
import { Secret } from './secret.ts';

describe('a secret', () => {
  it('is in no text that is made of it', () => {
    const value = randomUUID();
    const secret = new Secret(value);
    const texts = [
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
    for (const text of texts) assert.equal(text.includes(value), false, text);
  });

  it('comes out for who may expose it, and nothing else does', () => {
    const value = randomUUID();
    assert.equal(expose(new Secret(value)), value);
    assert.throws(() => expose({ value } as unknown as Secret), TypeError);
    assert.throws(() => expose(Object.create(Secret.prototype) as Secret), TypeError);
  });
});
