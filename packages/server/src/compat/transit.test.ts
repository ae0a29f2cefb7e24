import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { it } from 'node:test';
import { onEachDatabase } from '../testing/databases.ts';
import { openRaw } from '../testing/raw-database.ts';
import { shareVault } from '../testing/shared-vault.ts';
import { MAX_USES } from '../vault/key-uses.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');
const HELLO = base64('hello');

onEachDatabase("Vault's transit engine", (createPlace) => {
  const shared = shareVault(createPlace);
  const post = (status: number, path: string, body: object = {}, options?: { namespace: string }) =>
    shared().wire.expect(status, 'POST', `transit/${path}`, body, options);
  const makeKey = async (name: string) => (await post(200, `keys/${name}`)).data;
  const encrypt = async (name: string, body: object = { plaintext: HELLO }): Promise<string> =>
    (await post(200, `encrypt/${name}`, body)).data.ciphertext;
  /** A key's newest version on the wire, with its entries. */
  const show = async (name: string) => (await shared().wire.expect(200, 'GET', `transit/keys/${name}`)).data;
  /** Id of a key, which the wire does not show. */
  const idOf = async (name: string): Promise<string> => {
    await using raw = await openRaw(shared().place);
    return (await raw.rows(`select id from transit_keys where name = '${name}'`))[0].id;
  };

  it('that is made by two at once is one, and both are told of its entry', async () => {
    const answers = await Promise.all([1, 2].map(() => shared().wire.call('POST', 'transit/keys/twice')));
    const entries = answers.map(({ headers }) => headers.get('keyhold-entry'));
    assert.ok(Number(entries[0]) > 0);
    assert.deepEqual(entries, [entries[0], entries[0]]);
  });

  it('makes a key, shows it without key material, and lists it', async () => {
    const made = await makeKey('shown');
    assert.deepEqual(
      [made.name, made.type, made.latest_version, made.min_decryption_version, made.min_encryption_version],
      ['shown', 'aes256-gcm96', 1, 1, 0],
    );
    assert.deepEqual(
      [made.deletion_allowed, made.exportable, made.derived, made.supports_encryption],
      [false, false, false, true],
    );
    assert.deepEqual(Object.keys(made.keys), ['1']);
    assert.deepEqual(await makeKey('shown'), made, 'making it again answers the one that is there');
    assert.deepEqual(await show('shown'), made);
    assert.ok((await shared().wire.expect(200, 'LIST', 'transit/keys')).data.keys.includes('shown'));
    assert.deepEqual(await shared().wire.expect(404, 'GET', 'transit/keys/none'), { errors: [] });
  });

  it('decrypts what it encrypted, each time to other bytes, and makes the key at the first use', async () => {
    const [one, other] = [await encrypt('use'), await encrypt('use')];
    assert.match(one, /^vault:v1:[A-Za-z0-9+/]+=*$/);
    assert.notEqual(one, other);
    for (const ciphertext of [one, other]) {
      assert.equal((await post(200, 'decrypt/use', { ciphertext })).data.plaintext, HELLO);
    }
    const empty = await encrypt('use', { plaintext: '' });
    assert.equal((await post(200, 'decrypt/use', { ciphertext: empty })).data.plaintext, '');
    await post(400, 'decrypt/none', { ciphertext: one });
  });

  it('opens a ciphertext only whole, under its own key, in its own environment, with its own associated data', async () => {
    const associated_data = base64('order 1');
    const ciphertext = await encrypt('bound', { plaintext: HELLO, associated_data });
    await makeKey('bound-not');
    const inMarket = { namespace: 'market/test' };
    await post(200, 'keys/bound', {}, inMarket);
    assert.equal((await post(200, 'decrypt/bound', { ciphertext, associated_data })).data.plaintext, HELLO);
    await post(400, 'decrypt/bound', { ciphertext });
    await post(400, 'decrypt/bound', { ciphertext, associated_data: base64('order 2') });
    await post(400, 'decrypt/bound-not', { ciphertext, associated_data });
    await post(400, 'decrypt/bound', { ciphertext, associated_data }, inMarket);
    const bytes = Buffer.from(ciphertext.slice('vault:v1:'.length), 'base64');
    for (let bit = 0; bit < bytes.length * 8; bit += 7) {
      const flipped = Buffer.from(bytes);
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      await post(400, 'decrypt/bound', { ciphertext: `vault:v1:${flipped.toString('base64')}`, associated_data });
    }
    for (const length of [0, 11, 12, 27, bytes.length - 1]) {
      const cut = `vault:v1:${bytes.subarray(0, length).toString('base64')}`;
      await post(400, 'decrypt/bound', { ciphertext: cut, associated_data });
    }
    for (const wrong of [
      ciphertext.replace('v1', 'v2'),
      ciphertext.replace('v1', 'v0'),
      ciphertext.slice(9),
      '',
      null,
      7,
    ]) {
      await post(400, 'decrypt/bound', { ciphertext: wrong, associated_data });
    }
  });

  it('works on a batch item by item, and says which one failed', async () => {
    const batch_input = ['a', 'b'].map((text) => ({ plaintext: base64(text), associated_data: base64(text) }));
    const { batch_results } = (await post(200, 'encrypt/batch', { batch_input })).data;
    const ciphertexts = batch_results.map(({ ciphertext }: { ciphertext: string }, i: number) => ({
      ciphertext,
      associated_data: batch_input[i]?.associated_data,
    }));
    const decrypted = (await post(200, 'decrypt/batch', { batch_input: ciphertexts })).data.batch_results;
    assert.deepEqual(decrypted, [{ plaintext: base64('a') }, { plaintext: base64('b') }]);
    const broken = [ciphertexts[0], { ...ciphertexts[1], associated_data: base64('x') }];
    const { data } = await post(400, 'decrypt/batch', { batch_input: broken });
    assert.equal(data.batch_results[0].plaintext, base64('a'));
    assert.match(data.batch_results[1].error, /authentication failed/);
    const named = [
      { ...ciphertexts[1], reference: 'second' },
      { ciphertext: 'x', reference: 'none' },
    ];
    const referred = (await post(400, 'decrypt/batch', { batch_input: named })).data.batch_results;
    assert.deepEqual(referred[0], { plaintext: base64('b'), reference: 'second' });
    assert.equal(referred[1].reference, 'none');
    const rewrapped = (await post(200, 'rewrap/batch', { batch_input: ciphertexts })).data.batch_results;
    assert.equal(rewrapped.length, 2);
    for (const bad of [[], 'x', [1], Array.from({ length: 1_001 }, () => ({ plaintext: '' }))]) {
      await post(400, 'encrypt/batch', { batch_input: bad });
    }
  });

  it('refuses what stands beside a batch and would be bound to none of its items', async () => {
    const plain = { batch_input: [{ plaintext: HELLO }] };
    const [{ ciphertext }] = (await post(200, 'encrypt/beside', plain)).data.batch_results;
    const besides = [
      { associated_data: HELLO },
      { key_version: 1 },
      { plaintext: HELLO },
      { input: HELLO },
      { ciphertext },
    ];
    for (const beside of besides) {
      for (const what of ['encrypt', 'decrypt', 'rewrap', 'hmac']) {
        const batch_input = [{ plaintext: HELLO, ciphertext, input: HELLO }];
        const { errors } = await post(400, `${what}/beside`, { batch_input, ...beside });
        assert.match(errors[0], /beside batch_input/);
      }
    }
    // As clients send what they have nothing to say in.
    const empty = { plaintext: '', ciphertext: null, associated_data: '', key_version: 0 };
    await post(200, 'encrypt/beside', { ...plain, ...empty });
  });

  it('rotates: the newest version encrypts, older ones decrypt down to the least, and rewrap goes to the newest', async () => {
    const old = await encrypt('rotated');
    assert.equal((await post(200, 'keys/rotated/rotate')).data.latest_version, 2);
    assert.match(await encrypt('rotated'), /^vault:v2:/);
    assert.match(await encrypt('rotated', { plaintext: HELLO, key_version: 1 }), /^vault:v1:/);
    assert.equal((await post(200, 'decrypt/rotated', { ciphertext: old })).data.plaintext, HELLO);
    const { ciphertext } = (await post(200, 'rewrap/rotated', { ciphertext: old })).data;
    assert.match(ciphertext, /^vault:v2:/);
    await post(200, 'keys/rotated/config', { min_decryption_version: 2 });
    await post(400, 'decrypt/rotated', { ciphertext: old });
    await post(400, 'rewrap/rotated', { ciphertext: old });
    assert.equal((await post(200, 'decrypt/rotated', { ciphertext })).data.plaintext, HELLO);
    await post(200, 'keys/rotated/config', { min_decryption_version: 1, min_encryption_version: 2 });
    assert.equal((await post(200, 'decrypt/rotated', { ciphertext: old })).data.plaintext, HELLO);
    await post(400, 'encrypt/rotated', { plaintext: HELLO, key_version: 1 });
    await post(400, 'hmac/rotated', { input: HELLO, key_version: 1 });
    await post(200, 'hmac/rotated', { input: HELLO, key_version: 2 });
    for (const bad of [{ min_decryption_version: 3 }, { min_encryption_version: 3 }, { min_decryption_version: 'x' }]) {
      await post(400, 'keys/rotated/config', bad);
    }
    const entries = ['transit-key.created', 'transit-key.rotated', ...Array<string>(2).fill('transit-key.updated')];
    assert.deepEqual(await shared().actionsOn(await idOf('rotated')), entries);
  });

  it('refuses a version that is none', async () => {
    const ciphertext = await encrypt('versions');
    for (const key_version of ['x', 1.5, -1, 2, 1e10, {}, [2]]) {
      await post(400, 'encrypt/versions', { plaintext: HELLO, key_version });
      await post(400, 'hmac/versions', { input: HELLO, key_version });
      await post(400, 'rewrap/versions', { ciphertext, key_version });
    }
    await post(400, 'decrypt/versions', { ciphertext: ciphertext.replace('v1', 'v999999999') });
    assert.match(await encrypt('versions', { plaintext: HELLO, key_version: '1' }), /^vault:v1:/);
  });

  it('deletes a key only where that was allowed, and a new one of the name opens nothing of the old', async () => {
    const ciphertext = await encrypt('deleted');
    await shared().wire.expect(400, 'DELETE', 'transit/keys/deleted');
    for (let i = 0; i < 60; i++) await post(200, 'keys/deleted/rotate');
    await post(200, 'keys/deleted/config', { deletion_allowed: true });
    await shared().wire.expect(204, 'DELETE', 'transit/keys/deleted');
    await shared().wire.expect(404, 'GET', 'transit/keys/deleted');
    await post(400, 'decrypt/deleted', { ciphertext });
    await makeKey('deleted');
    await post(400, 'decrypt/deleted', { ciphertext });
  });

  it('deletes a key that is rotated at the same time, with the versions that come meanwhile', async () => {
    for (let round = 0; round < 5; round++) {
      const name = `deleted-${round}`;
      await makeKey(name);
      await post(200, `keys/${name}/config`, { deletion_allowed: true });
      const rotate = () => shared().wire.call('POST', `transit/keys/${name}/rotate`);
      const calls = Array.from({ length: 6 }, rotate);
      const deletion = shared().wire.call('DELETE', `transit/keys/${name}`);
      const rotations = await Promise.all([...calls, rotate(), rotate(), rotate()]);
      for (const { status, body } of rotations) assert.ok(status < 500, JSON.stringify(body));
      assert.equal((await deletion).status, 204, JSON.stringify((await deletion).body));
      await shared().wire.expect(404, 'GET', `transit/keys/${name}`);
    }
  });

  it('deletes a key one of whose versions was written past the ledger, and not one that is kept from it meanwhile', async () => {
    await makeKey('edited');
    const id = await idOf('edited');
    await using raw = await openRaw(shared().place);
    await raw.run(`update transit_key_versions set created_at = created_at + 1 where transit_key_id = '${id}'`);
    await post(200, 'keys/edited/config', { deletion_allowed: true });
    // Which of the two comes first is open; what the first says holds.
    const [kept, deleted] = await Promise.all([
      shared().wire.call('POST', 'transit/keys/edited/config', { deletion_allowed: false }),
      shared().wire.call('DELETE', 'transit/keys/edited'),
    ]);
    const isThere = (await shared().wire.call('GET', 'transit/keys/edited')).status === 200;
    assert.equal(deleted.status, isThere ? 400 : 204);
    assert.equal(kept.status === 200, isThere);
    await post(isThere ? 200 : 400, 'keys/edited/config', { deletion_allowed: true });
    await shared().wire.expect(isThere ? 204 : 400, 'DELETE', 'transit/keys/edited');
    const rows = await raw.rows(`select id from transit_key_versions where transit_key_id = '${id}'`);
    assert.deepEqual(rows, []);
  });

  it('hands out data keys that it can decrypt, and random bytes of the length asked for', async () => {
    await makeKey('data');
    for (const [bits, bytes] of [
      [128, 16],
      [256, 32],
      [512, 64],
    ] as const) {
      const { plaintext, ciphertext } = (await post(200, 'datakey/plaintext/data', { bits })).data;
      assert.equal(Buffer.from(plaintext, 'base64').length, bytes);
      assert.equal((await post(200, 'decrypt/data', { ciphertext })).data.plaintext, plaintext);
    }
    assert.deepEqual(Object.keys((await post(200, 'datakey/wrapped/data')).data), ['ciphertext', 'key_version']);
    await post(200, 'keys/data/rotate');
    const associated_data = base64('bound');
    const { data } = await post(200, 'datakey/plaintext/data', { associated_data, key_version: 1, plaintext: HELLO });
    const { ciphertext, plaintext } = data;
    assert.match(ciphertext, /^vault:v1:/);
    assert.notEqual(plaintext, HELLO);
    assert.equal((await post(200, 'decrypt/data', { ciphertext, associated_data })).data.plaintext, plaintext);
    await post(400, 'decrypt/data', { ciphertext });
    await post(400, 'datakey/wrapped/data', { bits: 100 });
    await post(400, 'datakey/other/data');
    await post(400, 'datakey/wrapped/none');
    const random = (await post(200, 'random/24', { format: 'hex' })).data.random_bytes;
    assert.match(random, /^[0-9a-f]{48}$/);
    assert.notEqual((await post(200, 'random/24', { format: 'hex' })).data.random_bytes, random);
    assert.equal(Buffer.from((await post(200, 'random', { bytes: 5 })).data.random_bytes, 'base64').length, 5);
    for (const bytes of [0, -1, 'x', 131_073]) await post(400, 'random', { bytes });
    await post(400, 'random', { format: 'words' });
  });

  it('authenticates: the same input, key version and algorithm give the same code, and others another', async () => {
    await makeKey('mac');
    const hmac = async (path: string, body: object = { input: HELLO }) =>
      (await post(200, `hmac/${path}`, body)).data.hmac;
    const first = await hmac('mac');
    assert.equal(await hmac('mac/sha2-256'), first);
    assert.equal(await hmac('mac', { input: HELLO, algorithm: 'sha2-256' }), first);
    const longer = await hmac('mac/sha2-512');
    assert.equal(Buffer.from(longer.slice('vault:v1:'.length), 'base64').length, 64);
    const batch_input = [{ input: HELLO }, { input: HELLO, algorithm: 'sha2-256' }];
    const { batch_results } = (await post(200, 'hmac/mac/sha2-512', { batch_input })).data;
    assert.deepEqual(batch_results, [{ hmac: longer }, { hmac: first }], 'the path says for all that do not');
    assert.notEqual(await hmac('mac', { input: base64('other') }), first);
    await post(200, 'keys/mac/rotate');
    assert.match(await hmac('mac'), /^vault:v2:/);
    assert.equal(await hmac('mac', { input: HELLO, key_version: 1 }), first);
    await post(400, 'hmac/mac/md5', { input: HELLO });
  });

  it('rotates a version that was used often enough, once, however many come at the same time', async () => {
    await makeKey('worn');
    const id = await idOf('worn');
    await using raw = await openRaw(shared().place);
    await raw.run(`insert into key_uses (key_id, uses) values ('${id}.1', ${MAX_USES - 3})`);
    const texts = await Promise.all(Array.from({ length: 40 }, () => encrypt('worn')));
    const versions = texts.map((text) => text.split(':')[1]);
    assert.equal(versions.filter((version) => version === 'v1').length, 3);
    assert.equal(versions.filter((version) => version === 'v2').length, 37);
    assert.equal((await show('worn')).latest_version, 2);
    assert.deepEqual(await shared().actionsOn(id), ['transit-key.created', 'transit-key.rotated']);
    // Asked for by its number, a worn version is refused rather than replaced.
    await post(400, 'encrypt/worn', { plaintext: HELLO, key_version: 1 });
    assert.equal((await show('worn')).latest_version, 2);
    for (const ciphertext of texts.slice(0, 10)) {
      assert.equal((await post(200, 'decrypt/worn', { ciphertext })).data.plaintext, HELLO);
    }
  });

  it('refuses what it cannot do instead of passing over it', async () => {
    for (const body of [
      ...[{ type: 'rsa-2048' }, { derived: true }, { convergent_encryption: 'true' }, { exportable: true }],
      ...[{ allow_plaintext_backup: true }, { auto_rotate_period: '24h' }, { auto_rotate_period: 3600 }],
      ...[{ auto_rotate_period: 'daily' }, { auto_rotate_period: null }],
      ...[{ derived: '1' }, { exportable: 'True' }, { convergent_encryption: 't' }, { derived: 'maybe' }],
    ]) {
      await post(400, 'keys/refused', body);
      await post(400, 'encrypt/refused', { plaintext: HELLO, ...body });
    }
    await shared().wire.expect(404, 'GET', 'transit/keys/refused');
    await post(200, 'keys/plain', { derived: '0', exportable: 'False', convergent_encryption: 'f' });
    const ciphertext = await encrypt('context');
    for (const derived of [{ context: HELLO }, { nonce: HELLO }]) {
      await post(400, 'encrypt/context-none', { plaintext: HELLO, ...derived });
      await post(400, 'encrypt/context', { plaintext: HELLO, ...derived });
      await post(400, 'decrypt/context', { ciphertext, ...derived });
      await post(400, 'rewrap/context', { ciphertext, ...derived });
      await post(400, 'datakey/wrapped/context', derived);
      await post(400, 'decrypt/context', { batch_input: [{ ciphertext, ...derived }] });
    }
    await shared().wire.expect(404, 'GET', 'transit/keys/context-none');
    await post(400, 'keys/context/config', { auto_rotate_period: '1h' });
    await post(200, 'keys/context/config', { auto_rotate_period: '0s' });
    await post(200, 'decrypt/context', { ciphertext, context: '', type: 'aes256-gcm96' });
    for (const plaintext of [undefined, 7, 'no base64!', null]) await post(400, 'encrypt/shown', { plaintext });
    for (const name of ['a b', 'a%2fb', 'ä', 'x'.repeat(129)]) await post(400, `keys/${encodeURI(name)}`);
  });

  it('takes only base64 that is whole, so that nothing comes back shorter than it was', async () => {
    const ciphertext = await encrypt('whole');
    // The first is what a client sends that forgot to encode.
    for (const text of ['hello', 'aGk', 'aGk==', 'aGl=', 'a-_b', 'aGk=\n', ' aGk=', 'aGk=aGk=']) {
      await post(400, 'encrypt/whole', { plaintext: text });
      await post(400, 'encrypt/whole', { plaintext: HELLO, associated_data: text });
      await post(400, 'decrypt/whole', { ciphertext, associated_data: text });
      await post(400, 'hmac/whole', { input: text });
    }
  });

  it('keeps no plaintext and no key in the database', async () => {
    const plaintext = randomBytes(24).toString('base64');
    await encrypt('stored', { plaintext });
    await using raw = await openRaw(shared().place);
    const rows = JSON.stringify(await raw.rows('select * from transit_key_versions'));
    assert.ok(!rows.includes(plaintext));
    assert.ok(rows.includes('envelope'));
  });
});
