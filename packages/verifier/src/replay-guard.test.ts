import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { SignedClaim } from '@keyhold/protocol/dialects/dialect';
import type { SigningRecord } from '@keyhold/protocol/feed';
import type { Moment } from './clock.ts';
import { compileRequirement, type Requirement } from './permissions.ts';
import { ReplayMemory } from './replay-memory.ts';
import { onlyReads, ReplayGuard, sharedNonce } from './replay-guard.ts';

const START = Date.UTC(2026, 0, 1);
const SIGNING: SigningRecord = {
  kind: 'signing',
  id: 'sign_1',
  environment: 'env_1',
  dialects: [],
  replay: 'verifier',
  replayReads: 'refuse',
};

/** Of a clock that nobody sets. */
const at = (wallMs: number): Moment => ({ wallMs, monotonicMs: wallMs - START });

function claim(signedAt: number, changes: Partial<SignedClaim> = {}): SignedClaim {
  return {
    credential: 'cred_1',
    base: [Buffer.from(`signed at ${signedAt}`)],
    signature: Buffer.alloc(64, 1),
    algorithms: ['ed25519'],
    secretEncoding: 'utf8',
    freshness: { signedAt, after: signedAt - 1_000, until: signedAt + 60_000 },
    nonce: null,
    digests: [],
    ...changes,
  };
}

it('accepts what was signed once, and not again under another signature of the same base', () => {
  const guard = new ReplayGuard(at(START));
  const now = START + 10_000;
  assert.equal(guard.remember(claim(now), SIGNING, at(now)), 'VALID');
  assert.equal(guard.remember(claim(now), SIGNING, at(now + 1)), 'REPLAYED');
  assert.equal(guard.remember(claim(now, { signature: Buffer.alloc(64, 2) }), SIGNING, at(now + 1)), 'REPLAYED');
  assert.equal(guard.remember(claim(now, { credential: 'cred_2' }), SIGNING, at(now + 1)), 'VALID');
});

it('accepts a nonce once, whatever else is signed with it', () => {
  const guard = new ReplayGuard(at(START));
  const now = START + 10_000;
  const nonce = { kind: 'once', value: 'n' } as const;
  assert.equal(guard.remember(claim(now, { nonce }), SIGNING, at(now)), 'VALID');
  assert.equal(guard.remember(claim(now + 20_000, { nonce }), SIGNING, at(now + 20_000)), 'REPLAYED');
  assert.equal(guard.remember(claim(now, { nonce: { kind: 'once', value: 'm' } }), SIGNING, at(now)), 'VALID');
});

it('refuses what may have been accepted before it was there', () => {
  const guard = new ReplayGuard(at(START));
  assert.equal(guard.remember(claim(START + 999), SIGNING, at(START + 1_500)), 'TIMESTAMP_OUT_OF_WINDOW');
  assert.equal(guard.remember(claim(START - 5_000), SIGNING, at(START + 1_500)), 'TIMESTAMP_OUT_OF_WINDOW');
  assert.equal(guard.remember(claim(START + 1_000), SIGNING, at(START + 1_500)), 'VALID');
});

it('refuses what was signed before it was there, by the right time, when a clock that was behind is put right', () => {
  const HOUR_MS = 3_600_000;
  const right = (wallMs: number): Moment => ({ wallMs: wallMs + HOUR_MS, monotonicMs: wallMs - START });
  const signed = (wallMs: number) => claim(wallMs + HOUR_MS);
  const code = (guard: ReplayGuard, signedAt: number, now: number) =>
    guard.remember(signed(signedAt), SIGNING, right(now));
  const guard = new ReplayGuard(at(START));
  assert.equal(code(guard, START - 5_000, START + 2_000), 'TIMESTAMP_OUT_OF_WINDOW');
  assert.equal(code(guard, START + 999, START + 2_000), 'TIMESTAMP_OUT_OF_WINDOW');
  assert.equal(code(guard, START + 1_000, START + 2_000), 'VALID');
  const otp = (after: number) => {
    const from = after + HOUR_MS;
    return { factor: 'factor_1', id: `code ${after}`, after: from, until: from + 60_000 };
  };
  assert.equal(guard.use(otp(START - 1), SIGNING, right(START + 2_000)), 'SECOND_FACTOR_REQUIRED');
  assert.equal(guard.use(otp(START), SIGNING, right(START + 2_000)), 'VALID');
  const settings = { ...SIGNING, dialects: [{ dialect: 'rfc9421' }] } as const;
  const changed = new ReplayGuard(at(START));
  for (const [i, each] of [SIGNING, settings].entries()) {
    changed.remember(claim(START + 4_000 + i * 1_000), each, at(START + 4_000 + i * 1_000));
  }
  assert.equal(
    changed.remember(signed(START + 4_000), settings, right(START + 7_000)),
    'TIMESTAMP_OUT_OF_WINDOW',
    'the same since a change of the settings',
  );
  assert.equal(changed.remember(signed(START + 6_000), settings, right(START + 7_000)), 'VALID');
});

it('guards alone only where the environment says so, and where there is a time', () => {
  const guard = new ReplayGuard(at(START));
  const now = START + 10_000;
  assert.equal(guard.remember(claim(now), { ...SIGNING, replay: 'shared' }, at(now)), 'STORE_UNAVAILABLE');
  const rising = { kind: 'rising', value: 5n } as const;
  assert.equal(guard.remember(claim(now, { freshness: null, nonce: rising }), SIGNING, at(now)), 'STORE_UNAVAILABLE');
});

it('accepts nothing that was signed before the settings changed that it was read by, and forgets nothing by a new feed', () => {
  const guard = new ReplayGuard(at(START));
  const now = START + 10_000;
  const hour = (settings: SigningRecord) =>
    ({ ...settings, dialects: [{ dialect: 'rfc9421', maxAgeSeconds: 600 }] }) as const;
  assert.equal(guard.remember(claim(now), SIGNING, at(now)), 'VALID');
  const longer = { signedAt: now, after: now - 1_000, until: now + 600_000 };
  // By the new settings it is good for longer than anybody remembered it.
  assert.equal(
    guard.remember(claim(now, { freshness: longer }), hour(SIGNING), at(now + 90_000)),
    'TIMESTAMP_OUT_OF_WINDOW',
  );
  const next = now + 92_000;
  assert.equal(guard.remember(claim(next), hour(SIGNING), at(next)), 'VALID');
  assert.equal(guard.remember(claim(next), hour(SIGNING), at(next + 1)), 'REPLAYED');
  assert.equal(
    guard.rememberMeanwhile(claim(now, { freshness: longer }), hour(SIGNING), at(next)),
    'TIMESTAMP_OUT_OF_WINDOW',
  );
});

it('remembers nothing that has no time, also while a store cannot be asked: it may have been accepted before', () => {
  const guard = new ReplayGuard(at(START));
  for (const nonce of [null, { kind: 'rising', value: 5n }] as const) {
    const timeless = claim(START, { freshness: null, nonce });
    assert.equal(guard.rememberMeanwhile(timeless, SIGNING, at(START + 5)), 'STORE_UNAVAILABLE');
  }
});

it('refuses nothing that a store accepted but what it accepted without it', () => {
  const guard = new ReplayGuard(at(START), new ReplayMemory({ maxNonces: 1 }));
  const now = START + 10_000;
  const reads = { ...SIGNING, replayReads: 'allow' } as const;
  assert.equal(guard.rememberMeanwhile(claim(now), reads, at(now)), 'VALID');
  assert.equal(guard.rememberBeside(claim(now), reads, true, at(now)), 'REPLAYED');
  for (const again of [1, 2])
    assert.equal(guard.rememberBeside(claim(now + again), reads, true, at(now)), 'VALID', 'no room');
  assert.equal(guard.rememberBeside(claim(now, { freshness: null }), reads, true, at(now)), 'VALID');
});

it('accepts once what is good for longer since an outage began, or since before it was over', () => {
  const now = START + 10_000;
  const reads = { ...SIGNING, replayReads: 'allow' } as const;
  const wider = { ...reads, dialects: [{ dialect: 'rfc9421', maxAgeSeconds: 120 }] } as const;
  const longer = (signedAt: number) =>
    claim(signedAt, { freshness: { signedAt, after: signedAt - 1_000, until: signedAt + 120_000 } });
  const begins = new ReplayGuard(at(START));
  assert.equal(begins.rememberBeside(claim(now), reads, true, at(now)), 'VALID');
  assert.equal(begins.rememberMeanwhile(longer(now), wider, at(now + 5)), 'TIMESTAMP_OUT_OF_WINDOW');
  const refused = new ReplayGuard(at(START));
  assert.equal(refused.rememberBeside(claim(now), SIGNING, true, at(now)), 'VALID');
  assert.equal(refused.rememberMeanwhile(claim(now), reads, at(now + 5)), 'TIMESTAMP_OUT_OF_WINDOW');
  const ends = new ReplayGuard(at(START));
  assert.equal(ends.rememberMeanwhile(claim(now), reads, at(now)), 'VALID');
  assert.equal(ends.rememberBeside(longer(now), wider, true, at(now + 5)), 'TIMESTAMP_OUT_OF_WINDOW');
  assert.equal(ends.rememberBeside(longer(now), wider, false, at(now + 5)), 'VALID', 'a write never went without it');
  assert.equal(ends.rememberBeside(longer(now + 1_005), wider, true, at(now + 1_005)), 'VALID');
  assert.equal(ends.rememberBeside(longer(now + 1_005), wider, true, at(now + 1_005)), 'REPLAYED');
});

it('refuses nothing of before a change of settings where the store was always asked, or of before it was there', () => {
  const now = START + 10_000;
  const reads = { ...SIGNING, replayReads: 'allow' } as const;
  const wider = { ...reads, dialects: [{ dialect: 'rfc9421', maxAgeSeconds: 120 }] } as const;
  const guard = new ReplayGuard(at(START));
  assert.equal(guard.rememberBeside(claim(now), reads, true, at(now)), 'VALID');
  assert.equal(guard.rememberBeside(claim(now + 1), wider, true, at(now + 5)), 'VALID');
  const young = new ReplayGuard(at(START));
  assert.equal(young.rememberMeanwhile(claim(START + 1_000), reads, at(START + 1_000)), 'VALID');
  assert.equal(young.rememberBeside(claim(START - 5), reads, true, at(START + 1_005)), 'VALID');
});

it('names to a store what tells a request from others, with the credential in it', () => {
  const now = START + 10_000;
  const [one, other] = [sharedNonce(claim(now)), sharedNonce(claim(now, { credential: 'cred_2' }))];
  assert.ok(one?.kind === 'once' && other?.kind === 'once');
  assert.notEqual(one.id, other.id);
  assert.ok(one.id.startsWith('cred_1:'));
  assert.deepEqual([one.signedAt, one.untilMs, one.aheadMs], [now, now + 60_000, 1_000]);
  const longest = { signedAt: now, after: now - 1_000, until: now + 60_000, longest: now + 600_000 };
  const kept = sharedNonce(claim(now, { freshness: longest }));
  assert.ok(kept?.kind === 'once' && kept.untilMs === now + 60_000 && kept.keptUntilMs === now + 600_000);
  const rising = sharedNonce(claim(now, { freshness: null, nonce: { kind: 'rising', value: 5n } }));
  assert.ok(rising?.kind === 'rising' && rising.value === 5n);
});

it('knows what only reads by its permissions, and without any by its method', () => {
  const received = (method: string) => ({ method, target: '/', scheme: 'https', headers: [], body: null }) as const;
  const requirement = (text: string) => compileRequirement(text) as Requirement;
  assert.equal(onlyReads(requirement('orders:read and prices:read'), received('POST')), true);
  assert.equal(onlyReads(requirement('orders:read or orders:write'), received('GET')), false);
  assert.equal(onlyReads(null, received('GET')), true);
  assert.equal(onlyReads(null, received('POST')), false);
});
