import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { armor, Decrypter, generateHybridIdentity, generateX25519Identity, identityToRecipient } from 'age-encryption';
import { onEachDatabase, type TestPlace } from '../testing/databases.ts';
import { openRaw } from '../testing/raw-database.ts';
import { shareVault } from '../testing/shared-vault.ts';

const ONCE = { once: { ttlSeconds: 60 } };

async function decrypt(identity: string, encrypted: string): Promise<string> {
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  return await decrypter.decrypt(armor.decode(encrypted), 'text');
}

onEachDatabase('a secret that is delivered', (createPlace) => {
  const shared = shareVault(createPlace);
  const issueBody = (deliverTo: object) => ({
    ...{ project: 'market', environment: 'test', consumer: shared().market.consumer, name: 'delivered' },
    permissions: ['prices:read'],
    deliverTo,
  });
  const issue = (deliverTo: object, headers: Record<string, string> = {}) =>
    shared().expect(201, 'POST', '/v1/keys', issueBody(deliverTo), { headers });
  const take = (token: string) => shared().installation.call('POST', '/v1/deliveries/take', undefined, { token });
  const keys = async (): Promise<number> => {
    await using raw = await openRaw(shared().place);
    return Number((await raw.rows('select count(*) as n from keys'))[0].n);
  };

  for (const [kind, generate] of [
    ['X25519', generateX25519Identity],
    ['hybrid', generateHybridIdentity],
  ] as const) {
    it(`to an age recipient (${kind}) is in the answer for him alone, when issued and when rotated`, async () => {
      const identity = await generate();
      const age = await identityToRecipient(identity);
      const issued = await issue({ age });
      assert.deepEqual(Object.keys(issued).sort(), ['credential', 'delivery', 'key']);
      assert.deepEqual(Object.keys(issued.delivery), ['encrypted']);
      const secret = await decrypt(identity, issued.delivery.encrypted);
      assert.match(secret, /^mkt_test_[0-9A-Za-z]{49}$/);
      assert.equal(await shared().codeOf(secret), 'VALID');
      await assert.rejects(generate().then((other) => decrypt(other, issued.delivery.encrypted)));
      const path = `/v1/keys/${issued.key.id}/rotate`;
      const rotated = await shared().expect(201, 'POST', path, { overlapSeconds: 0, deliverTo: { age } });
      assert.equal('secret' in rotated, false);
      const next = await decrypt(identity, rotated.delivery.encrypted);
      assert.deepEqual([await shared().codeOf(next), await shared().codeOf(secret)], ['VALID', 'REVOKED']);
      for (const plaintext of [secret, next]) {
        assert.ok(!JSON.stringify([issued, rotated]).includes(plaintext));
        assert.deepEqual(await placesOf(shared().place, plaintext), []);
      }
    });
  }

  it('by a one-time token is in no answer but that of who takes it, and in no file', async () => {
    const issued = await issue(ONCE);
    assert.equal('secret' in issued, false);
    const { id, token, path, expiresAt } = issued.delivery;
    assert.match(id, /^dlv_/);
    assert.equal(path, `/once#${token}`);
    assert.ok(Math.abs(Date.parse(expiresAt) - Date.now() - 60_000) < 10_000);
    const taken = await take(token);
    assert.equal(taken.status, 200);
    assert.equal(taken.body.subject, issued.credential.id);
    const { content } = taken.body;
    assert.equal(await shared().codeOf(content), 'VALID');
    assert.ok(!JSON.stringify(issued).includes(content));
    assert.deepEqual(await placesOf(shared().place, content), []);
    assert.deepEqual(await placesOf(shared().place, token), []);
    const rotate = `/v1/keys/${issued.key.id}/rotate`;
    const rotated = await shared().expect(201, 'POST', rotate, { overlapSeconds: 60, deliverTo: ONCE });
    const next = (await take(rotated.delivery.token)).body.content;
    assert.deepEqual([await shared().codeOf(next), await shared().codeOf(content)], ['VALID', 'VALID']);
  });

  it('is not delivered a second time when the call is repeated', async () => {
    const headers = { 'idempotency-key': 'deliver-once' };
    const first = await issue(ONCE, headers);
    const again = await shared().expect(200, 'POST', '/v1/keys', issueBody(ONCE), { headers });
    assert.deepEqual([again.key.id, again.secretShown, 'delivery' in again], [first.key.id, true, false]);
    assert.equal((await take(first.delivery.token)).status, 200);
  });

  it('to nobody who could read it is refused before anything is made', async () => {
    const [before, x25519] = [await keys(), await identityToRecipient(await generateX25519Identity())];
    const stored = await shared().expect(201, 'POST', '/v1/secrets', {
      ...{ project: 'market', environment: 'test', path: 'refused', data: { a: 1 } },
    });
    for (const deliverTo of [
      { age: `${x25519.slice(0, -1)}${x25519.endsWith('q') ? 'p' : 'q'}` },
      { age: x25519.slice(0, -2) },
      { age: x25519.toUpperCase() },
      { age: `age1${'q'.repeat(58)}` },
      // A point of low order, with which whoever looks on knows the shared secret (RFC 7748 §6.1).
      { age: bech32('age', new Uint8Array(32)) },
      { age: bech32('age', Uint8Array.of(1, ...new Uint8Array(31))) },
      { age: x25519, once: { ttlSeconds: 60 } },
      { age: (await generateX25519Identity()).toLowerCase() },
      ...[{ once: { ttlSeconds: 9 } }, { once: { ttlSeconds: 31 * 86_400 } }, { once: {} }, {}],
    ]) {
      for (const [path, body] of [
        ['/v1/keys', issueBody(deliverTo)],
        [`/v1/secrets/${stored.secret.id}/deliver`, { deliverTo }],
      ] as const) {
        const { status, body: problem } = await shared().installation.call('POST', path, body);
        assert.deepEqual([status, problem.code], [400, 'INVALID_INPUT'], JSON.stringify([deliverTo, problem]));
      }
    }
    assert.equal(await keys(), before);
    assert.deepEqual(await shared().actionsOn(stored.secret.id), ['secret.stored']);
  });

  it('that was stored is delivered either way, and its entries say revealed and delivered', async () => {
    const data = { apiKey: 'k', nested: { n: [1] } };
    const place = { project: 'market', environment: 'test' };
    const { secret } = await shared().expect(201, 'POST', '/v1/secrets', { ...place, path: 'stored', data });
    const deliver = (deliverTo: object) =>
      shared().expect(201, 'POST', `/v1/secrets/${secret.id}/deliver`, { version: 1, deliverTo });
    const identity = await generateHybridIdentity();
    const encrypted = await deliver({ age: await identityToRecipient(identity) });
    assert.equal('data' in encrypted, false);
    assert.deepEqual(JSON.parse(await decrypt(identity, encrypted.delivery.encrypted)), data);
    const { token } = (await deliver(ONCE)).delivery;
    assert.deepEqual((await take(token)).body, { subject: secret.id, content: data });
    const actions = ['secret.stored', 'secret.revealed', 'secret.delivered', 'secret.revealed', 'secret.delivered'];
    assert.deepEqual(await shared().actionsOn(secret.id), [...actions, 'delivery.taken']);
    const reader = await shared().token({ scopes: ['read'] });
    const denied = await shared().installation.call(
      'POST',
      `/v1/secrets/${secret.id}/deliver`,
      { deliverTo: ONCE },
      { token: reader },
    );
    assert.equal(denied.status, 403);
  });
});

/** Files of the data folder and tables of the database that hold the text. */
async function placesOf(place: TestPlace, text: string): Promise<string[]> {
  const files = readdirSync(place.folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const found = files
    .filter((entry) => readFileSync(join(entry.parentPath, entry.name)).includes(text))
    .map(({ name }) => name);
  await using raw = await openRaw(place);
  for (const table of ['deliveries', 'keys', 'credentials', 'entries', 'entry_sides', 'idempotency']) {
    if (JSON.stringify(await raw.rows(`select * from ${table}`)).includes(text)) found.push(table);
  }
  return found;
}

const BECH32 = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';

/** BIP 173, so that a recipient can be made that no library would make. */
function bech32(prefix: string, bytes: Uint8Array): string {
  const expanded = [...prefix].flatMap((letter) => letter.charCodeAt(0) >> 5);
  const low = [...prefix].map((letter) => letter.charCodeAt(0) & 31);
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  const words = (bits.match(/.{1,5}/g) ?? []).map((five) => Number.parseInt(five.padEnd(5, '0'), 2));
  let check = 1;
  for (const word of [...expanded, 0, ...low, ...words, 0, 0, 0, 0, 0, 0]) {
    const top = check >>> 25;
    check = ((check & 0x1ffffff) << 5) ^ word;
    for (const [i, generator] of [0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3].entries())
      if ((top >> i) & 1) check ^= generator;
  }
  const checksum = [0, 1, 2, 3, 4, 5].map((i) => ((check ^ 1) >>> (5 * (5 - i))) & 31);
  return `${prefix}1${[...words, ...checksum].map((word) => BECH32[word]).join('')}`;
}
