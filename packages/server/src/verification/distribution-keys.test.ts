import assert from 'node:assert/strict';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { before, it } from 'node:test';
import { embedVerifier } from '@keyhold/sdk/embedded';
import { type Signer, signRequest } from '@keyhold/sdk/signing/sign-request';
import { WebSocket } from 'ws';
import { damaged } from '../testing/damaged-envelope.ts';
import { onEachDatabase } from '../testing/databases.ts';
import { eventually } from '../testing/eventually.ts';
import { openRaw } from '../testing/raw-database.ts';
import { shareMarket } from '../testing/shared-market.ts';
import { WrittenPast } from '../testing/written-past.ts';

onEachDatabase('the key that secrets of requests lie under', (createPlace) => {
  const shared = shareMarket(createPlace, { leaseSeconds: 3 });
  const keysOf = async (purpose = 'distribution') => {
    const path = '/v1/vault/keys?project=market&environment=test';
    const { keys } = await shared().expect(200, 'GET', path);
    return keys.filter((key: { purpose: string }) => key.purpose === purpose);
  };
  const issue = async () => {
    const { consumer } = shared().market;
    const place = { project: 'market', environment: 'test', consumer, name: 'key', permissions: ['orders:write'] };
    return await shared().expect(201, 'POST', '/v1/keys', { ...place, credential: { kind: 'hmac' } });
  };
  const signedBy = async ({ credential, secret }: { credential: { id: string }; secret: string }) => {
    const signer: Signer = { dialect: 'rfc9421', credential: credential.id, key: { kind: 'hmac', secret } };
    const { method, headers, body } = await signRequest(signer, { method: 'POST', url: 'https://api.example/v1' });
    const lines: [string, string][] = [
      ['Host', 'api.example'],
      ...headers.map(([name, value]): [string, string] => [name, value]),
    ];
    const request = { method, target: '/v1', scheme: 'https', headers: lines, body } as const;
    return { request, environment: 'market/test' };
  };
  const codeOf = async (issued: Parameters<typeof signedBy>[0]) => {
    const { request, environment } = await signedBy(issued);
    const { method, target, headers } = request;
    return (await shared().installation.verify({ request: { method, target, headers }, environment })).code;
  };
  const token = async (scopes: string[]) => shared().expect(201, 'POST', '/v1/tokens', { name: 'verifier', scopes });

  /** Asks on a feed connection, as a verifier would, and stays until it has been fed whole. */
  const askFor = async (secret: string, distributionKey: string): Promise<Record<string, unknown> | null> => {
    const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 3072 });
    const wrapTo = publicKey.export({ type: 'spki', format: 'der' }).toString('hex');
    const url = `${shared().installation.controlUrl.replace('http', 'ws')}/v1/feed`;
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${secret}` } });
    try {
      return await new Promise((resolve, reject) => {
        socket.on('error', reject);
        socket.on('close', () => resolve(null));
        socket.on('open', () =>
          socket.send(JSON.stringify({ type: 'hello', version: 1, verifier: `ver_${randomUUID()}`, position: null })),
        );
        let [answer, isFed]: [Record<string, unknown> | null, boolean] = [null, false];
        socket.on('message', (data) => {
          const message = JSON.parse(String(data));
          if (message.type === 'welcome')
            socket.send(JSON.stringify({ type: 'ask', request: 1, payload: { distributionKey, wrapTo } }));
          if (message.type === 'answer') answer = message.payload;
          // Whoever leaves earlier ends the reading of the rows.
          if (message.type === 'snapshot') isFed = message.last;
          if (answer !== null && isFed) resolve(answer);
        });
      });
    } finally {
      socket.close();
    }
  };

  before(async () => {
    const path = '/v1/projects/market/environments/test/signing';
    await shared().expect(200, 'PUT', path, { dialects: [{ dialect: 'rfc9421' }], replay: 'verifier' });
    const first = await issue();
    await eventually('the verifier guards alone', async () => (await codeOf(first)) === 'VALID');
  });

  it('is handed to a token with feed:hmac only, with an entry before it', async () => {
    const [{ id }] = await keysOf();
    const [may, mayNot] = [await token(['feed', 'feed:hmac']), await token(['feed'])];
    assert.deepEqual(await askFor(mayNot.secret, id), { refused: 'FORBIDDEN' });
    const [other] = await keysOf('personal').then((keys) => (keys.length > 0 ? keys : [{ id: 'vkey_none' }]));
    assert.deepEqual(await askFor(may.secret, other.id), { refused: 'NOT_FOUND' });
    const answer = await askFor(may.secret, id);
    assert.equal(answer?.['version'], 1);
    assert.match(String(answer?.['wrapped']), /^[0-9a-f]{768}$/);
    const { items } = await shared().expect(
      200,
      'GET',
      `/v1/audit/entries?subject=${id}&action=distribution-key.handed`,
    );
    assert.ok(items.some(({ actor }: { actor: string }) => actor === may.token.id));
    assert.ok(!items.some(({ actor }: { actor: string }) => actor === mayNot.token.id));
  });

  it('is replaced when a token that had it is revoked; what lay under it moves, and goes on being verified', async () => {
    const issued = await issue();
    assert.equal(await codeOf(issued), 'VALID');
    const had = await token(['feed', 'feed:hmac']);
    const before = await keysOf();
    await askFor(had.secret, before.at(-1).id);
    const bystander = await token(['feed']);
    await shared().expect(200, 'POST', `/v1/tokens/${bystander.token.id}/revoke`);
    assert.equal((await keysOf()).length, before.length, 'one that never had it replaces nothing');
    await shared().expect(200, 'POST', `/v1/tokens/${had.token.id}/revoke`);
    const after = await keysOf();
    assert.equal(after.length, before.length + 1);
    await eventually('all of it moves', async () =>
      (await keysOf()).slice(0, -1).every(({ rows }: { rows: number }) => rows === 0),
    );
    assert.ok((await keysOf()).at(-1).rows > 0);
    assert.equal(await codeOf(issued), 'VALID');
    assert.equal(await codeOf(await issue()), 'VALID');
  });

  it('serves on while the installation is sealed, for what a verifier has already', async () => {
    const issued = await issue();
    assert.equal(await codeOf(issued), 'VALID');
    await shared().expect(200, 'POST', '/v1/seal');
    assert.equal(await codeOf(issued), 'VALID');
    const refused = await shared().installation.call('POST', '/v1/keys', {
      ...{ project: 'market', environment: 'test', consumer: shared().market.consumer, name: 'key', permissions: [] },
      credential: { kind: 'hmac' },
    });
    assert.deepEqual([refused.status, refused.body.code], [503, 'SEALED']);
    await shared().expect(200, 'POST', '/v1/unseal', {});
  });

  it('opens no secret that was swapped or put elsewhere past the ledger', async () => {
    await using raw = await openRaw(shared().place);
    const past = new WrittenPast(raw);
    const [mine, other] = [await issue(), await issue()];
    const rowOf = async ({ credential }: { credential: { id: string } }) =>
      (await raw.rows(`select * from signature_keys where credential_id = '${credential.id}'`))[0];
    const [own, foreign] = [await rowOf(mine), await rowOf(other)];
    await past.edit('signature_keys', own.id, { envelope: foreign.envelope });
    // A verifier that starts now is fed what lies there.
    const fed = async () => {
      const { body } = await shared().installation.call('GET', '/v1/installation');
      return body.alarms.some(
        (alarm: { code: string; subject: string }) => alarm.code === 'ROW_TAMPERED' && alarm.subject === own.id,
      );
    };
    const reader = await token(['feed', 'feed:hmac']);
    await askFor(reader.secret, own.vault_key_id);
    await eventually('the alarm', fed);
    await past.restore('signature_keys', own);
  });

  it('raises an alarm for a secret that opens nowhere, though its row was made to fit the ledger', async () => {
    await using raw = await openRaw(shared().place);
    const past = new WrittenPast(raw);
    const [mine, other, beside] = [await issue(), await issue(), await issue()];
    const rowOf = async ({ credential }: { credential: { id: string } }) =>
      (await raw.rows(`select * from signature_keys where credential_id = '${credential.id}'`))[0];
    const [own, foreign] = [await rowOf(mine), await rowOf(other)];
    const alarmed = async (code = 'ENVELOPE_BROKEN', subject = mine.credential.id) => {
      const { body } = await shared().installation.call('GET', '/v1/installation');
      return body.alarms.some(
        (alarm: { code: string; subject: string }) => alarm.code === code && alarm.subject === subject,
      );
    };
    const reader = await token(['feed', 'feed:hmac']);
    for (const [what, envelope] of Object.entries({ ...damaged(own.envelope), swapped: foreign.envelope })) {
      await past.edit('signature_keys', own.id, { envelope });
      await past.mend('signature_keys', own.id);
      // A verifier that starts now is fed what lies there, and finds it when somebody signs.
      const verifier = embedVerifier({ controlUrl: shared().installation.controlUrl, token: reader.secret });
      await eventually('it is fed', async () => verifier.ready);
      // What is beside it opens: it is not refused for want of a key.
      await eventually('another opens', async () => (await verifier.verify(await signedBy(beside))).code === 'VALID');
      assert.notEqual((await verifier.verify(await signedBy(mine))).code, 'VALID', what);
      await eventually('the alarm', () => alarmed());
      await verifier.stop();
    }
    await past.restore('signature_keys', own);
    // Its whole row, as it was before it was re-wrapped.
    await shared().expect(200, 'POST', '/v1/vault/keys/rotate', { project: 'market', environment: 'test' });
    const current = await eventually('it is re-wrapped', async () => {
      const now = await rowOf(mine);
      return now.envelope === own.envelope ? null : now;
    });
    await past.edit('signature_keys', own.id, own);
    const verifier = embedVerifier({ controlUrl: shared().installation.controlUrl, token: reader.secret });
    await eventually('it is fed', async () => verifier.ready);
    assert.notEqual((await verifier.verify(await signedBy(mine))).code, 'VALID', 'put back');
    await eventually('its alarm', () => alarmed('ROW_TAMPERED', own.id));
    await verifier.stop();
    await past.restore('signature_keys', current);
  });
});
