import { canonicalJson } from '@keyhold/protocol/canonical-json';
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { decodeLeaf, MAX_LEAF_BYTES } from '@keyhold/protocol/leaf';
import { onEachDatabase } from '../testing/databases.ts';
import { shareMarket } from '../testing/shared-market.ts';
import { saltedDigest } from './row-digest.ts';

onEachDatabase('a leaf', (createPlace) => {
  const shared = shareMarket(createPlace);

  it('holds no name, address, metadata or secret that a caller gave', async () => {
    const { market, installation, expect } = shared();
    await expect(201, 'POST', '/v1/consumers', {
      project: 'market',
      name: 'Planted Person',
      externalId: 'planted-ext',
    });
    const { keyId, secret } = await market.issue({ name: 'Planted key', metadata: { note: 'planted metadata' } });
    await expect(200, 'PATCH', `/v1/keys/${keyId}`, { name: 'Planted again', allowedNetworks: ['203.0.113.77'] });
    const rotated = await expect(201, 'POST', `/v1/keys/${keyId}/rotate`, { overlapSeconds: 60 });
    await expect(200, 'PUT', '/v1/projects/market/environments/test/permissions/planted:use', { audit: 'every-use' });
    const audited = await market.issue({ permissions: ['planted:use'] });
    const request = {
      key: audited.secret,
      environment: 'market/test',
      permission: 'planted:use',
      clientIp: '203.0.113.78',
    };
    assert.equal((await installation.verify(request)).code, 'VALID');
    const token = await expect(201, 'POST', '/v1/tokens', { name: 'Planted token', scopes: ['read'] });
    const { items } = await expect(200, 'GET', '/v1/audit/entries?limit=200');
    const leaves = items.map(({ leaf }: { leaf: string }) => leaf).join('\n');
    const planted = [
      'lanted',
      '203.0.113',
      '127.0.0.1',
      secret,
      rotated.secret,
      audited.secret,
      token.secret,
      'mkt_test',
    ];
    for (const text of planted) assert.equal(leaves.includes(text), false, `a leaf contains "${text}"`);
    const used = items.find(({ action }: { action: string }) => action === 'key.used');
    assert.deepEqual(used.side, { clientIp: '203.0.113.78', permission: 'planted:use' });
  });

  it('is canonical, short, and commits to its side row', async () => {
    const { items } = await shared().expect(200, 'GET', '/v1/audit/entries?limit=200');
    assert.ok(items.length > 5);
    for (const { leaf, side, sideSalt } of items) {
      const decoded = decodeLeaf(Buffer.from(leaf));
      assert.ok(Buffer.byteLength(leaf) <= MAX_LEAF_BYTES);
      assert.equal(decoded.side, side === null ? null : saltedDigest(sideSalt, canonicalJson(side)));
    }
  });
});
