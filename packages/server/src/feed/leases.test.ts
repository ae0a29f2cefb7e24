import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, it } from 'node:test';
import { MAX_STALE_MS } from '@keyhold/protocol/feed';
import { connectVerifier } from '@keyhold/verifier/connect';
import type { Verifier } from '@keyhold/verifier/verifier';
import { onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { createLog } from '../http/log.ts';
import { send, untilReady } from '../testing/installation.ts';
import { startRelay } from '../testing/relay.ts';
import { shareMarket, type SharedMarket } from '../testing/shared-market.ts';
import { startVerifierProcess } from '../verification/verifier-process.ts';

/** 1 % and 250 ms beyond the lease, as the control plane counts it. */
const LONGEST_WAIT_MS = 1_000 * 1.01 + 250;

/** A second verifier, which can lose its control plane. */
async function connectThroughRelay({ installation, expect }: SharedMarket) {
  const token = await expect(201, 'POST', '/v1/tokens', { name: 'v', scopes: ['feed'] });
  const relay = await startRelay(installation.controlUrl);
  const verifier: Verifier = connectVerifier({ controlUrl: relay.url, token: token.secret });
  await eventually('the second verifier is ready', async () => verifier.ready);
  return {
    verifier,
    cut: () => relay.cut(),
    [Symbol.asyncDispose]: async () => {
      await verifier.stop();
      await relay[Symbol.asyncDispose]();
    },
  };
}

onEachDatabase('a verifier that lost its control plane', (createPlace) => {
  const shared = shareMarket(createPlace, { leaseSeconds: 1 });

  it('goes on for its lease, and a revocation waits that long for it and no longer', async () => {
    await using second = await connectThroughRelay(shared());
    const { keyId, secret } = await shared().market.issue();
    const decide = async () => (await second.verifier.verify({ key: secret, environment: 'market/test' })).code;
    assert.equal(await decide(), 'VALID');
    second.cut();
    assert.equal(await decide(), 'VALID');
    const { barrier } = await shared().expect(200, 'POST', `/v1/keys/${keyId}/revoke`, { reason: 'key_compromise' });
    assert.equal(await decide(), 'VERIFIER_FENCED');
    assert.deepEqual([barrier.acknowledged, barrier.waitedOut, barrier.unconfirmed], [1, 1, 0]);
    assert.ok(barrier.elapsedMs > 0);
  });

  it('is waited for again when the revocation is repeated before its lease is over', async () => {
    await using second = await connectThroughRelay(shared());
    const { keyId } = await shared().market.issue();
    second.cut();
    const revoke = () => shared().expect(200, 'POST', `/v1/keys/${keyId}/revoke`, { reason: 'superseded' });
    const [first, again] = await Promise.all([revoke(), revoke()]);
    assert.equal(first.barrier.sequence, again.barrier.sequence);
    assert.deepEqual([first.barrier.waitedOut, again.barrier.waitedOut], [1, 1]);
    const after = await revoke();
    assert.equal(after.barrier.waitedOut, 0);
  });

  it('opens nothing to a token that was revoked meanwhile, and stays healthy', async () => {
    const { installation, expect } = shared();
    const create = (scopes: string[]) =>
      expect(201, 'POST', '/v1/tokens', { name: 't', scopes, environment: 'market/test' });
    const [feed, asking] = [await create(['feed']), await create(['verify'])];
    await using relay = await startRelay(installation.controlUrl);
    const tokenFile = join(installation.config.dataFolder, 'cut-off-token');
    writeFileSync(tokenFile, feed.secret);
    const log = createLog('silent', 'test');
    await using cutOff = await startVerifierProcess({ ...installation.config, controlUrl: relay.url, tokenFile }, log);
    await untilReady(cutOff.url);
    const { secret: token } = asking;
    const opens = async () => {
      const body = { key: 'x', environment: 'market/test' };
      const verified = await send(new URL('/v1/verify', cutOff.url), 'POST', body, { token });
      const metrics = await fetch(new URL('/metrics', cutOff.url), { headers: { authorization: `Bearer ${token}` } });
      await metrics.text();
      return [verified.status, metrics.status];
    };
    assert.deepEqual(await opens(), [200, 200]);
    relay.cut();
    const { barrier } = await expect(200, 'POST', `/v1/tokens/${asking.token.id}/revoke`);
    assert.deepEqual([barrier.waitedOut, barrier.unconfirmed], [1, 0]);
    assert.deepEqual(await opens(), [503, 503]);
    assert.equal((await fetch(new URL('/health/live', cutOff.url))).status, 200);
  });

  it('is not waited for when it said that it stops', async () => {
    const second = await connectThroughRelay(shared());
    const { keyId } = await shared().market.issue();
    await second.verifier.stop();
    await eventually('the goodbye arrives', async () => {
      const { verifiers } = await shared().expect(200, 'GET', '/v1/installation');
      // Those that the tests before cut off may still hold the long lease of `default/production`.
      const holding = ({ connected, leases }: { connected: boolean; leases: number }) => connected && leases > 0;
      return verifiers.filter(holding).length === 1;
    });
    const { barrier } = await shared().expect(200, 'POST', `/v1/keys/${keyId}/revoke`, { reason: 'superseded' });
    assert.deepEqual([barrier.acknowledged, barrier.waitedOut], [1, 0]);
    assert.ok(barrier.elapsedMs < LONGEST_WAIT_MS);
    await second[Symbol.asyncDispose]();
  });
});

onEachDatabase('an environment that serves after the lease', (createPlace) => {
  const shared = shareMarket(createPlace, { leaseSeconds: 1, afterLease: 'serve' });

  it('marks such verdicts stale, and a revocation says that it is unconfirmed', async () => {
    await using second = await connectThroughRelay(shared());
    const { keyId, secret } = await shared().market.issue();
    second.cut();
    const { barrier } = await shared().expect(200, 'POST', `/v1/keys/${keyId}/revoke`, { reason: 'key_compromise' });
    assert.deepEqual([barrier.acknowledged, barrier.unconfirmed], [1, 1]);
    const verdict = await second.verifier.verify({ key: secret, environment: 'market/test' });
    assert.deepEqual([verdict.code, verdict.stale], ['VALID', true]);
    assert.equal(await shared().codeOf(secret), 'REVOKED');
    const repeated = await shared().expect(200, 'POST', `/v1/keys/${keyId}/revoke`, { reason: 'key_compromise' });
    assert.equal(repeated.barrier.unconfirmed, 1);
  });

  it('says that the end which a rotation gives is unconfirmed, where a verifier may serve stale beyond it', async () => {
    await using second = await connectThroughRelay(shared());
    const { keyId } = await shared().market.issue();
    second.cut();
    const rotate = (overlapSeconds: number) =>
      shared().expect(201, 'POST', `/v1/keys/${keyId}/rotate`, { overlapSeconds });
    const longestSeconds = 2 * (1 + MAX_STALE_MS / 1000);
    assert.ok((await rotate(longestSeconds)).barrier.unconfirmed >= 1);
    assert.equal('barrier' in (await rotate(longestSeconds + 1)), false);
  });
});

onEachDatabase('a longer lease of another environment', (createPlace) => {
  const shared = shareMarket(createPlace, { leaseSeconds: 1 });

  before(async () => {
    const other = { name: 'slow', prefix: 'mkt_slow', leaseSeconds: 300 };
    await shared().expect(201, 'POST', '/v1/projects/market/environments', other);
  });

  it('does not hold up a revocation here', async () => {
    await using second = await connectThroughRelay(shared());
    const { keyId } = await shared().market.issue();
    second.cut();
    const { barrier } = await shared().expect(200, 'POST', `/v1/keys/${keyId}/revoke`, { reason: 'superseded' });
    assert.equal(barrier.waitedOut, 1);
  });
});
