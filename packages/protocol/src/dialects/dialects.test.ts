import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { type Dialect, isMalformed, type ReceivedRequest, type SignedClaim } from './dialect.ts';
import { DIALECTS, dialectNamed, recognise } from './dialects.ts';
import { valuesOf } from './fields.ts';
import type { DialectName, DialectSettings } from './settings.ts';
import { type Sample, SAMPLES } from './testing/samples.ts';
import { changesOf, differences, type Gap } from './testing/changes.ts';
import { flatten } from './testing/keys.ts';
import { received, signed } from './testing/requests.ts';

/** `rfc9421` binds a body by its digest and not in its base: its property is in `rfc9421/changes.test.ts`. */
type Exchange = Exclude<keyof typeof DIALECTS, 'rfc9421'>;

/** What each dialect leaves open, as its comment says. What is not here is signed or refused, or a test below fails. */
const GAPS: Readonly<Record<Exchange, readonly Gap[]>> = {
  binance: ['host', 'method', 'path', 'empty query', 'query or body'],
  bybit: ['host', 'method', 'path', 'empty query'],
  okx: ['host'],
  kraken: ['host'],
  'coinbase-exchange': ['host'],
  'coinbase-cdp': ['query', 'empty query', 'body', 'query or body'],
  hmac: ['host'],
};

/** All that a verifier goes by to find the key, check the signature, and know the request from others. */
function heldTo(claim: SignedClaim): string {
  const { credential, base, signature, passphrase } = claim;
  return JSON.stringify([
    credential,
    flatten(base).toString('hex'),
    Buffer.from(signature).toString('hex'),
    passphrase,
  ]);
}

function read({ dialect, settings }: Sample, request: ReceivedRequest): string | null {
  const claim = (dialect as Dialect).read(request, settings);
  return isMalformed(claim) ? null : heldTo(claim);
}

describe('every dialect', () => {
  for (const sample of SAMPLES) {
    const { settings } = sample;
    it(`${sample.name}: any change of a signed request is refused or seen, but for what it says it leaves open`, async () => {
      const open = new Set<Gap>();
      const gaps = GAPS[settings.dialect as Exchange];
      const change = fc.tuple(sample.drafts, changesOf(sample.fields));
      await fc.assert(
        fc.asyncProperty(change, async ([draft, apply]) => {
          const request = await signed(sample.dialect as Dialect, settings, draft, { algorithm: sample.algorithm });
          const before = read(sample, request);
          assert.notEqual(before, null, 'what was prepared is read');
          const changed = apply(request);
          if (changed === null || read(sample, changed) !== before) return;
          for (const gap of differences(request, changed)) {
            const both = `${JSON.stringify(printed(request))} is as good as ${JSON.stringify(printed(changed))}`;
            assert.ok(gaps.includes(gap), `${gap}: ${both}`);
            open.add(gap);
          }
        }),
        { numRuns: 4000 },
      );
      assert.deepEqual([...open].sort(), [...gaps].sort(), 'a gap of the list is none');
    });
  }

  it('has a sample here', () => {
    const names = new Set(SAMPLES.map(({ settings }) => settings.dialect));
    assert.deepEqual([...names, 'rfc9421'].sort(), Object.keys(DIALECTS).sort());
  });

  it('reads whatever it is handed without a fault', () => {
    const names = SAMPLES.flatMap(({ fields }) => fields);
    const odd = fc.constantFrom(
      '',
      '%2f',
      '%',
      '%00',
      '\u0000',
      '{',
      '[',
      '"',
      '=',
      '&',
      '?',
      '#',
      '//',
      '..',
      'é',
      '☃',
    );
    const own = fc.constantFrom(
      'nonce=1',
      'timestamp=1499827319559',
      `signature=${'0'.repeat(64)}`,
      '0'.repeat(64),
      'a'.repeat(70_000),
    );
    const text = fc
      .array(fc.oneof(fc.string({ unit: 'binary' }), odd, own), { maxLength: 4 })
      .map((parts) => parts.join('&'));
    const name = fc
      .constantFrom(...names, 'Content-Type', 'Host', 'Authorization')
      .chain((name) => fc.constantFrom(name, name.toUpperCase(), name.toLowerCase()));
    const body = fc.oneof(
      fc.uint8Array(),
      text.map((text) => Buffer.from(text)),
      fc.constant(null),
    );
    const request = fc.record({
      method: fc.oneof(fc.constantFrom('GET', 'POST', 'DELETE', 'get', ''), fc.string()),
      target: fc.oneof(
        text,
        text.map((text) => `/${text}`),
        text.map((text) => `http://x/${text}`),
      ),
      scheme: fc.constantFrom('http' as const, 'https' as const),
      headers: fc.array(fc.tuple(name, text), { maxLength: 8 }),
      body,
    });
    fc.assert(
      fc.property(request, (request) => {
        for (const { dialect, settings } of SAMPLES) {
          const known = (dialect as Dialect).recognises(request, settings);
          const claim = (dialect as Dialect).read(request, settings);
          if (!known) assert.ok(isMalformed(claim));
        }
      }),
      { numRuns: 3000 },
    );
  });

  it('refuses any of its own fields twice, in whatever case', async () => {
    for (const sample of SAMPLES) {
      const [draft] = fc.sample(sample.drafts, 1);
      const request = await signed(sample.dialect as Dialect, sample.settings, draft!, { algorithm: sample.algorithm });
      for (const name of sample.fields) {
        const [value] = valuesOf(request, name);
        assert.notEqual(value, undefined, `${sample.name} has ${name}`);
        const headers = [...request.headers, [name.toUpperCase(), value!] as const];
        assert.equal(read(sample, { ...request, headers }), null, `${sample.name} with ${name} twice`);
      }
    }
  });
});

describe('recognise', () => {
  it('finds the first of the settings whose marks a request bears', async () => {
    const settings = SAMPLES.map(({ settings }) => settings);
    for (const { dialect, settings: own, drafts, algorithm } of SAMPLES) {
      const [draft] = fc.sample(drafts, 1);
      const request = await signed(dialect as Dialect, own, draft!, { algorithm });
      const found = recognise(settings, request);
      assert.equal(found?.dialect, dialect);
      assert.equal(found?.settings.dialect, own.dialect);
      const others = settings.filter(({ dialect }) => dialect !== own.dialect);
      assert.equal(recognise(others, request), null);
    }
    const both = received('GET', '/', { 'API-Key': 'a', 'X-MBX-APIKEY': 'b' });
    const order = (...names: string[]) => names.map((dialect) => ({ dialect }) as DialectSettings);
    assert.equal(recognise(order('kraken', 'binance'), both)?.dialect.name, 'kraken');
    assert.equal(recognise(order('binance', 'kraken'), both)?.dialect.name, 'binance');
    assert.equal(recognise([], both), null);
  });

  it('knows dialects by their names, and by nothing that any object has', () => {
    for (const name of Object.keys(DIALECTS)) assert.equal(dialectNamed(name as DialectName)?.name, name);
    for (const name of ['', 'constructor', '__proto__', 'Binance']) assert.equal(dialectNamed(name), undefined);
  });
});

function printed({ method, target, headers, body }: ReceivedRequest): unknown {
  return { method, target, headers, body: body === null ? null : Buffer.from(body).toString('latin1') };
}
