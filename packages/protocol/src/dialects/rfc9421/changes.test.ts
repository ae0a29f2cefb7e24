import assert from 'node:assert/strict';
import { hash, timingSafeEqual } from 'node:crypto';
import { it } from 'node:test';
import fc from 'fast-check';
import { isMalformed, type ReceivedRequest } from '../dialect.ts';
import type { Rfc9421Settings } from '../settings.ts';
import { changesOf, differences } from '../testing/changes.ts';
import { flatten } from '../testing/keys.ts';
import { outgoing, signed } from '../testing/requests.ts';
import { rfc9421 } from './rfc9421.ts';

const DRAFTS = fc
  .tuple(
    fc.constantFrom('GET', 'POST', 'DELETE'),
    fc.constantFrom('/', '/orders', '/v1/a%2Fb', '//x/../y'),
    fc.constantFrom('', '?', '?a=1', '?a=1&b=%2F'),
    fc.constantFrom('', '{"a":1}', '[{"a":1}]', 'x=1'),
  )
  .map(([method, path, query, body]) =>
    outgoing(method, `https://x.test${path}${query}`, method === 'GET' ? '' : body),
  );
const FIELDS = ['Signature-Input', 'Signature', 'Content-Digest', 'Host'];

/** All that a verifier goes by, where it would go on to the signature; the digests have to be those of the body. */
function heldTo(request: ReceivedRequest, settings: Rfc9421Settings): string | null {
  const claim = rfc9421.read(request, settings);
  if (isMalformed(claim)) return null;
  const { credential, base, signature, otp, digests } = claim;
  for (const { algorithm, value } of digests) {
    const actual = hash(algorithm === 'sha-256' ? 'sha256' : 'sha512', request.body ?? '', 'buffer');
    if (actual.length !== value.length || !timingSafeEqual(actual, value)) return null;
  }
  return JSON.stringify([credential, flatten(base).toString('hex'), Buffer.from(signature).toString('hex'), otp]);
}

/** As RFC 9110 §4.2.3 has it: case and white space of a host are none of what is signed. */
function withPlainHost(request: ReceivedRequest): ReceivedRequest {
  const headers = request.headers.map(([name, value]) =>
    name.toLowerCase() === 'host' ? (['host', value.trim().toLowerCase()] as const) : ([name, value] as const),
  );
  return { ...request, headers };
}

for (const components of [
  ['@method', '@target-uri'],
  ['@method', '@authority', '@path', '@query'],
]) {
  it(`any change of a request whose signature covers ${components.join(' ')} is refused or seen, but for fields that it does not cover`, async () => {
    const settings = { dialect: 'rfc9421', components } as const;
    await fc.assert(
      fc.asyncProperty(DRAFTS, changesOf(FIELDS), async (draft, apply) => {
        const request = await signed(rfc9421, settings, draft, { algorithm: 'hmac-sha256' });
        const before = heldTo(request, settings);
        assert.notEqual(before, null, 'what was prepared is read');
        const changed = apply(request);
        if (changed === null || heldTo(changed, settings) !== before) return;
        const found = differences(withPlainHost(request), withPlainHost(changed));
        // RFC 9421 §2.2.7: a query of nothing is written like none.
        const open = components.includes('@query') ? ['fields', 'empty query'] : ['fields'];
        for (const gap of found) assert.ok(open.includes(gap), `${gap}: ${JSON.stringify([request, changed])}`);
      }),
      { numRuns: 3000 },
    );
  });
}
