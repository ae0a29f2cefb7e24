import assert from 'node:assert/strict';
import { it } from 'node:test';
import { checkReceipt } from '@keyhold/auditor/check-receipt';
import { sha256, verifySignature } from '@keyhold/auditor/note-crypto';
import { readTrust } from '@keyhold/auditor/trust';
import { verifyConsistency, verifyInclusion } from '@keyhold/protocol/log/merkle-proofs';
import { appendLeaves, EMPTY_FRONTIER, leafHash, rootOf } from '@keyhold/protocol/log/merkle';
import { readCheckpoint } from '@keyhold/protocol/log/checkpoint';
import { readNote } from '@keyhold/protocol/log/signed-note';
import { entriesOf, TILE_WIDTH, tilePath } from '@keyhold/protocol/log/tile';
import { onEachDatabase } from '../testing/databases.ts';
import { openRaw } from '../testing/raw-database.ts';
import { eventually } from '../testing/eventually.ts';
import type { TestAnswer } from '../testing/installation.ts';
import { shareMarket } from '../testing/shared-market.ts';
import { vaultWire } from '../testing/shared-vault.ts';

const checker = { sha256, verify: verifySignature };
const bytes = (text: string) => Buffer.from(text, 'base64');

onEachDatabase('the transparency log', (createPlace) => {
  const shared = shareMarket(createPlace);
  const call = (method: string, path: string, body?: object) => shared().installation.call(method, path, body);
  const trust = async () => readTrust(sha256, (await shared().expect(200, 'GET', '/v1/audit/log')).keys.join('\n'));
  const sequence = async (): Promise<number> => (await shared().expect(200, 'GET', '/v1/audit/log')).sequence;
  const receiptOf = async (entry: number): Promise<string> =>
    (await shared().expect(200, 'GET', `/v1/audit/entries/${entry}/receipt`)).receipt;
  const get = (path: string, token?: string) =>
    fetch(new URL(path, shared().installation.controlUrl), {
      headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    });
  const size = async (): Promise<number> => {
    const note = readNote(await (await get('/audit/checkpoint')).text());
    return readCheckpoint(note?.text ?? '')?.size ?? 0;
  };

  it('gives a receipt for each entry that holds against the keys of the log, and for no other', async () => {
    await shared().market.issue();
    const last = await sequence();
    const trusted = await trust();
    for (const entry of [1, 2, last - 1, last]) {
      const checked = checkReceipt(checker, trusted, await receiptOf(entry));
      assert.ok(typeof checked !== 'string', String(checked));
      assert.equal(checked.leaf.sequence, entry);
      assert.equal(checked.logs.length, 2, 'both keys signed');
    }
    for (const none of [last + 1_000, 0, -1]) {
      const { status } = await call('GET', `/v1/audit/entries/${none}/receipt`);
      assert.ok([400, 404].includes(status), `${none}: ${status}`);
    }
  });

  it('refuses a receipt with any byte of it changed', async (t) => {
    const receipt = await receiptOf(await sequence());
    const trusted = await trust();
    let refused = 0;
    for (let i = 0; i < receipt.length; i += 13) {
      const changed = `${receipt.slice(0, i)}${receipt[i] === 'A' ? 'B' : 'A'}${receipt.slice(i + 1)}`;
      const checked = checkReceipt(checker, trusted, changed);
      // A signature line that names no known key is nobody's, and ignored (c2sp.org/signed-note): one key less signed.
      if (typeof checked !== 'string') assert.equal(checked.logs.length, 1, `byte ${i}: ${receipt[i]}`);
      else refused++;
    }
    assert.ok(refused > (receipt.length / 13) * 0.9);
    t.diagnostic(`${refused} changed receipts refused`);
  });

  it('serves checkpoint and hashes to anybody, entries to readers only, and all of it agrees', async () => {
    await receiptOf(await sequence());
    const length = await size();
    const { bootstrapToken } = shared().installation;
    let tree = EMPTY_FRONTIER;
    for (let number = 0; number * TILE_WIDTH < length; number++) {
      const width = Math.min(TILE_WIDTH, length - number * TILE_WIDTH);
      const tile = await get(`/audit/${tilePath({ level: 0, number, width })}`);
      assert.match(tile.headers.get('cache-control') ?? '', /^public, .*immutable$/);
      const hashes = Buffer.from(await tile.arrayBuffer());
      const path = `/audit/${tilePath({ level: 'entries', number, width })}`;
      assert.equal((await get(path)).status, 401);
      const bundle = await get(path, bootstrapToken);
      assert.match(bundle.headers.get('cache-control') ?? '', /^private, /, 'no cache hands it to strangers');
      const entries = entriesOf(new Uint8Array(await bundle.arrayBuffer()));
      assert.equal(entries?.length, width);
      const leaves = (entries ?? []).map((entry) => leafHash(sha256, entry));
      assert.deepEqual(Buffer.concat(leaves), hashes);
      tree = appendLeaves(sha256, tree, leaves);
    }
    const note = readNote(await (await get('/audit/checkpoint')).text());
    assert.deepEqual(Buffer.from(rootOf(sha256, tree)), Buffer.from(readCheckpoint(note?.text ?? '')?.root ?? []));
    for (const beyond of [`tile/0/000.p/${length + 1}`, 'tile/5/000', 'tile/0/x1/2', 'tile/0/000.p/0']) {
      assert.equal((await get(`/audit/${beyond}`)).status, 404, beyond);
    }
  });

  it('proves that it only grew, and that an entry lies in it', async () => {
    const to = await sequence();
    for (const from of [1, 2, 3, Math.floor(to / 2), to - 1, to]) {
      const { fromRoot, toRoot, proof } = await shared().expect(
        200,
        'GET',
        `/v1/audit/proofs/consistency?from=${from}&to=${to}`,
      );
      const claim = { from: { size: from, root: bytes(fromRoot) }, to: { size: to, root: bytes(toRoot) } };
      assert.ok(verifyConsistency(sha256, claim, proof.map(bytes)), `from ${from}`);
      const path = `/v1/audit/proofs/inclusion?sequence=${from}&size=${to}`;
      const { index, size, leafHash, root, proof: inclusion } = await shared().expect(200, 'GET', path);
      const included = { index, size, leafHash: bytes(leafHash), root: bytes(root) };
      assert.ok(verifyInclusion(sha256, included, inclusion.map(bytes)));
      assert.equal(root, toRoot);
    }
    assert.equal((await call('GET', `/v1/audit/proofs/consistency?from=2&to=1`)).status, 404);
    assert.equal((await call('GET', `/v1/audit/proofs/consistency?from=1&to=${to + 1_000}`)).status, 404);
  });

  it('lets who may not read the log prove what he did himself, and nothing else', async () => {
    const { secret } = await shared().expect(201, 'POST', '/v1/tokens', {
      ...{ name: 'issuer', scopes: ['keys'], environment: 'market/test' },
    });
    const body = { project: 'market', environment: 'test', consumer: shared().market.consumer, name: 'own' };
    const issued = await shared().installation.call(
      'POST',
      '/v1/keys',
      { ...body, permissions: [] },
      { token: secret },
    );
    assert.equal(issued.status, 201);
    const own = await get(`/v1/audit/entries/${await sequence()}/receipt`, secret);
    assert.equal(own.status, 200);
    assert.equal((await get(`/v1/audit/entries/1/receipt`, secret)).status, 403);
    assert.equal((await get('/v1/audit/log', secret)).status, 403);
  });

  it('offers with every issue, rotation, revocation and reveal the receipt of that very entry', async () => {
    const { expect, installation } = shared();
    const wire = vaultWire(installation.vaultUrl, installation.bootstrapToken);
    const trusted = await trust();
    const offers = async (action: string, answer: Promise<TestAnswer>) => {
      const { status, headers, body } = await answer;
      assert.ok(status < 300, `${action}: ${status} ${JSON.stringify(body)}`);
      const [, link] = /^<(.+)>; rel="receipt"$/.exec(headers.get('link') ?? '') ?? [];
      assert.ok(link !== undefined, `no receipt is offered: ${action}`);
      const checked = checkReceipt(checker, trusted, (await expect(200, 'GET', link)).receipt);
      assert.ok(typeof checked !== 'string', String(checked));
      const { leaf } = checked;
      assert.deepEqual([leaf.action, String(leaf.sequence)], [action, headers.get('keyhold-entry')]);
      return body;
    };
    const [kv, data, wrapTtl] = ['secret/data/receipts', { data: { a: 1 } }, '60s'] as const;
    await offers('secret.stored', wire.call('POST', kv, data));
    await offers('secret.revealed', wire.call('GET', kv));
    const wrapped = await offers('secret.revealed', wire.call('GET', kv, undefined, { wrapTtl }));
    const { token } = wrapped.wrap_info;
    const again = await offers('delivery.rewrapped', wire.call('POST', 'sys/wrapping/rewrap', { token }));
    const bare = { token: again.wrap_info.token };
    await offers('delivery.taken', wire.call('POST', 'sys/wrapping/unwrap', undefined, bare));
    const echo = await offers('delivery.created', wire.call('POST', 'sys/wrapping/wrap', { a: 1 }, { wrapTtl }));
    await offers('delivery.taken', wire.call('POST', 'sys/wrapping/unwrap', { token: echo.wrap_info.token }));
    await offers('secret.deleted', wire.call('DELETE', kv));
    await offers('secret.undeleted', wire.call('POST', 'secret/undelete/receipts', { versions: [1] }));
    await offers('secret.destroyed', wire.call('POST', 'secret/destroy/receipts', { versions: [1] }));
    await offers('secret.removed', wire.call('DELETE', 'secret/metadata/receipts'));
    await offers('transit-key.created', wire.call('POST', 'transit/keys/receipts'));
    await offers('transit-key.rotated', wire.call('POST', 'transit/keys/receipts/rotate'));
    const role = 'auth/approle/role/receipts';
    await wire.expect(204, 'POST', role, { token_policies: ['read'] });
    const { role_id } = (await wire.expect(200, 'GET', `${role}/role-id`)).data;
    const { secret_id } = (await offers('app-secret.created', wire.call('POST', `${role}/secret-id`, {}))).data;
    const login = wire.call('POST', 'auth/approle/login', { role_id, secret_id }, { token: undefined });
    const own = { token: (await offers('token.exchanged', login)).auth.client_token };
    await offers('token.revoked', wire.call('POST', 'auth/token/revoke-self', {}, own));
    await offers('app-secret.destroyed', wire.call('POST', `${role}/secret-id/destroy`, { secret_id }));
    const place = { project: 'default', environment: 'production' };
    await offers('vault-key.created', call('POST', '/v1/vault/keys/rotate', place));
    await offers('root-key.rotated', call('POST', '/v1/vault/root/rotate'));
    // What goes on behind it makes entries too.
    const query = new URLSearchParams(place);
    await eventually('nothing is left to move', async () => {
      return (await expect(200, 'GET', `/v1/vault/keys?${query}`)).pending === 0;
    });
  });

  it('signs nothing that its entries do not make', async () => {
    await using raw = await openRaw(shared().place);
    const [row] = await raw.rows('select leaf from entries where sequence = 2');
    await shared().market.issue();
    const published = await size();
    await raw.run(`update ledger_head set tree = '${'00'.repeat(32)}' || substr(tree, 65)`);
    await shared().market.issue();
    const { status, body } = await call('GET', `/v1/audit/entries/${await sequence()}/receipt`);
    assert.deepEqual([status, body.code], [409, 'LOG_FORGED']);
    assert.ok((await size()) >= published && row.leaf.length > 0);
    const { alarms } = await shared().expect(200, 'GET', '/v1/installation');
    assert.ok(alarms.some((alarm: { code: string }) => alarm.code === 'LOG_FORGED'));
  });
});
